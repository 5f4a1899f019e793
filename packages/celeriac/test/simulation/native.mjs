/** The import of Node itself, for those who are loaded by a test runner that has an import of its own. */
export const importNatively = (url) => import(url)
