/** Where pictures are kept. */
import { Context, Effect, FileSystem, Layer, Path } from "effect"
import { PictureNotSaved } from "./picture.ts"

export class Gallery extends Context.Service<
  Gallery,
  {
    /** Replaces the file in one step: whoever looks sees the old picture or the new one. */
    readonly save: (name: string, picture: string) => Effect.Effect<string, PictureNotSaved>
    readonly load: (path: string) => Effect.Effect<string, PictureNotSaved>
  }
>()("demo/Gallery") {
  /** In the folder in which the program was started. */
  static readonly layer = Layer.effect(
    Gallery,
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const paths = yield* Path.Path
      const failedAt = (path: string) =>
        Effect.mapError((error: { readonly message: string }) => new PictureNotSaved({ path, reason: error.message }))
      return {
        save: (name, picture) => {
          const path = paths.resolve(name)
          const draft = `${path}.draft`
          return files
            .writeFileString(draft, picture)
            .pipe(Effect.andThen(files.rename(draft, path)), Effect.as(path), failedAt(path))
        },
        load: (path) => files.readFileString(path).pipe(failedAt(path))
      }
    })
  )
}
