// Asks nobody for fonts.

export async function queryRemoteFonts() {
  return [];
}
