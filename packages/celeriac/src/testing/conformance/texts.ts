/** Texts that a driver must carry as they are. */
export const texts: Readonly<Record<string, string>> = {
  empty: "",
  "one character": "1",
  "a message": '15{"t":"mail.send","p":{"to":"ada"}}',
  "no message at all": "what is this?",
  NUL: "15\u0000{\u0000}\u0000",
  "control characters": Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join(""),
  "line breaks": "15{\r\n\t\u2028\u2029}\n",
  quotes: `15{"a":"\\"'\`$(x) \\u0041 \\"}`,
  "beyond ASCII": "15{ÄöüßéñЖ漢字}",
  emoji: "15{👩‍👩‍👧‍👦🇺🇳🏳️‍🌈}",
  "what looks like a command": "*1\r\n$4\r\nPING\r\n",
  "what looks like a number": "12345678901234567890.000000000000000000001e5",
  "a megabyte": `15${"0123456789abcdef".repeat(65_536)}`,
  "a megabyte beyond ASCII": `15${"漢字".repeat(174_762)}`
}

/** An id of a caller: any printable character of ASCII may be in it, and there may be 256 of them. */
export const ids: Readonly<Record<string, string>> = {
  "of one character": "~",
  "with every character": Array.from({ length: 94 }, (_, code) => String.fromCharCode(code + 33)).join(""),
  "of 256 characters": "i".repeat(256),
  "that looks like a key": "{queue}:*:?[a-z]",
  "that looks like JSON": '["a","b"]',
  "that looks like a number": "00012e5",
  "of a prototype": "__proto__"
}
