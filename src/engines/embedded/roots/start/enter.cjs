// The first program in a replica's namespaces: mounts what it sees, makes that the root, and becomes the program. Arguments: the
// file of an EnterSpec (enter-spec.ts), and `held` where it waits before the program: a byte on descriptor 3 lets it go on, the end of
// it ends this. It runs with an environment of its own: what the image says must not steer this Node or the tools behind it.
// Plain JavaScript: see os/new-root.cjs.
// @ts-check
const { closeSync, readFileSync, readSync } = require('node:fs')
const { become, mount, moveRoot } = require('../../../../os/new-root.cjs')

const DOOR = 3

const spec = /** @type {import('./enter-spec.ts').EnterSpec} */ (
  JSON.parse(readFileSync(String(process.argv[2]), 'utf8'))
)

function isLetIn() {
  try {
    return readSync(DOOR, Buffer.alloc(1)) === 1
  } catch {
    return false
  }
}

mount(spec, ['--all', '--fstab', spec.mountTable])
moveRoot(spec, spec.root, spec.hostname)
if (process.argv[3] === 'held') {
  if (!isLetIn()) process.exit(0)
  closeSync(DOOR)
}
const kept = Object.entries(process.env).filter(([name]) => !spec.own.includes(name))
become(spec.chain, { ...Object.fromEntries(kept), ...spec.env })
