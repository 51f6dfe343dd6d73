// Collects the licences of bundled packages.

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Notices about code inside packages which the packages' own licence files don't mention. */
const FURTHER = {
  "@mediabunny/ac3": ffmpeg("ac3"),
  "@mediabunny/dts": ffmpeg("dts"),
  jassub: `Its WebAssembly, jassub/jassub.wasm, is a build of libass (ISC) with FriBidi (GNU Lesser
General Public License, version 2.1 or later,
https://www.gnu.org/licenses/old-licenses/lgpl-2.1.html), FreeType (FreeType License), HarfBuzz
(Old MIT), Brotli (MIT), libunibreak (Zlib) and others under similar licences. Their sources, and
how to build them, are at https://github.com/ThaUnknown/jassub. The folder jassub/ contains nothing
else, and each of its files may be replaced by another build. Portions of this software are
copyright © The FreeType Project (https://www.freetype.org). All rights reserved.
jassub/default.woff2 is the font Liberation Sans 2 (SIL Open Font License, version 1.1,
https://openfontlicense.org), copyright © 2010 Google Corporation and © 2012 Red Hat, Inc., with
the Reserved Font Names Arimo and Liberation.`,
};

function ffmpeg(decoder) {
  return `Contains parts of FFmpeg's libavcodec and libavutil (https://ffmpeg.org), compiled to
WebAssembly, under the GNU Lesser General Public License, version 2.1 or later
(https://www.gnu.org/licenses/old-licenses/lgpl-2.1.html). They are in a file of their own,
chunks/${decoder}-*.js, which may be replaced by another build of them.`;
}

/** The text of dist/NOTICES.txt. Fails when a bundled package has no licence file. */
export async function notices(metafile, root) {
  const folders = new Set();
  for (const output of Object.values(metafile.outputs)) {
    for (const [input, { bytesInOutput }] of Object.entries(output.inputs)) {
      const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
      if (folder && bytesInOutput > 0) folders.add(folder);
    }
  }
  const texts = [];
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(
      await readFile(join(root, folder, "package.json"), "utf8"),
    );
    const file = (await readdir(join(root, folder))).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} is bundled and has no licence file`);
    const further = FURTHER[name] ? `${FURTHER[name]}\n\n` : "";
    const text = (await readFile(join(root, folder, file), "utf8")).trim();
    texts.push(`${name} ${version} (${license})\n\n${further}${text}\n`);
  }
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}
