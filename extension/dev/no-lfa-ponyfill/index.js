// Replaces lfa-ponyfill, which fetches fonts from other servers for jassub. This replacement finds
// no fonts.

export async function queryRemoteFonts() {
  return [];
}
