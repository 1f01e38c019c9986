// Writes a gzip and a brotli form beside every file that is worth it: node compress.mjs FOLDER
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const MIN_BYTES = 1_000;
// The best quality takes seconds for each megabyte, and saves little.
const LARGE_BYTES = 300_000;

async function compress(file) {
  const content = readFileSync(file);
  if (content.length < MIN_BYTES) return;
  const quality = content.length > LARGE_BYTES ? 7 : 11;
  const params = { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
  writeFileSync(`${file}.gz`, await promisify(gzip)(content, { level: 9 }));
  writeFileSync(`${file}.br`, await promisify(brotliCompress)(content, { params }));
}

const files = readdirSync(process.argv[2], { recursive: true })
  .map((name) => join(process.argv[2], name))
  .filter((file) => statSync(file).isFile() && /\.(js|css|svg|json|ttf)$/.test(file));
await Promise.all(files.map(compress));
