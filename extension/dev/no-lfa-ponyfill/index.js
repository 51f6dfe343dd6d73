// Replaces lfa-ponyfill, which fetches fonts from other servers for jassub. It finds no fonts.

export async function queryRemoteFonts() {
  return [];
}
