// The first program in a replica's namespaces: mounts what it sees, makes that the root, and becomes the program. Plain
// JavaScript, because each start waits for it: stripping types would take 35 ms, loading it as a module 10. Arguments: the file of an
// EnterSpec (enter-spec.ts), and `held` where it waits before the program: a byte on descriptor 3 lets it go on, the end of it ends
// this. It runs with an environment of its own: what the image says must not steer this Node or the tools behind it.
// @ts-check
const { spawnSync } = require('node:child_process')
const { closeSync, readFileSync, readSync, writeFileSync } = require('node:fs')

const DOOR = 3

const spec = /** @type {import('./enter-spec.ts').EnterSpec} */ (
  JSON.parse(readFileSync(String(process.argv[2]), 'utf8'))
)

/** @param {readonly string[]} args */
function mount(args) {
  const { status, error, stderr } = spawnSync(spec.mount, args, {
    cwd: spec.mountsFrom,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status === 0) return
  process.stderr.write(`naru: mount ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}\n`)
  process.exit(125)
}

function isLetIn() {
  try {
    return readSync(DOOR, Buffer.alloc(1)) === 1
  } catch {
    return false
  }
}

mount(['--no-mtab', '--all', '--fstab', spec.mountTable])
process.chdir(spec.root)
mount(['--no-mtab', '--move', spec.root, '/'])
try {
  writeFileSync('/proc/sys/kernel/hostname', spec.hostname)
} catch {
  // Only root may; the name is for people.
}
// Node ignores these two, and a program would inherit that: with its last listener the default comes back.
for (const signal of /** @type {const} */ (['SIGPIPE', 'SIGXFSZ'])) {
  const ignore = () => {}
  process.on(signal, ignore).off(signal, ignore)
}
if (process.argv[3] === 'held') {
  if (!isLetIn()) process.exit(0)
  closeSync(DOOR)
}
const kept = Object.entries(process.env).filter(([name]) => !spec.own.includes(name))
const [program, ...args] = spec.chain
process.execve(String(program), [String(program), ...args], { ...Object.fromEntries(kept), ...spec.env })
