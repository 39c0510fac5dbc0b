// Takes a block of text out of files below a folder that a RUN left. Argument: the folder. By stdin: paths and the block.
// A link on the way leads anywhere, so that none is followed; nothing else changes the folder any more. Plain JavaScript: see new-root.cjs.
// @ts-check
const {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  writeSync,
} = require('node:fs')

const root = String(process.argv[2])
const { paths, block } = /** @type {{ paths: string[], block: string }} */ (JSON.parse(readFileSync(0, 'utf8')))

/** @param {string} path */
function isFile(path) {
  const parts = path.split('/')
  return parts.every((_, index) => {
    const found = lstatSync([root, ...parts.slice(0, index + 1)].join('/'), { throwIfNoEntry: false })
    return found !== undefined && (index === parts.length - 1 ? found.isFile() : found.isDirectory())
  })
}

for (const path of paths) {
  if (!isFile(path)) continue
  const fd = openSync(`${root}/${path}`, constants.O_RDWR | constants.O_NOFOLLOW)
  const bytes = readFileSync(fd)
  const at = fstatSync(fd).size === 0 ? -1 : bytes.indexOf(block)
  if (at >= 0) {
    const rest = bytes.subarray(at + Buffer.byteLength(block))
    writeSync(fd, rest, 0, rest.length, at)
    ftruncateSync(fd, at + rest.length)
  }
  closeSync(fd)
}
