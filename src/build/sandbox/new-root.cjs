// What the first program in a sandbox's namespaces does: mounts, changes the root, becomes the next program. Plain JavaScript, because each start waits for it: stripping types would take 35 ms, loading it as a module 10.
// @ts-check
const { spawnSync } = require('node:child_process')
const { writeFileSync } = require('node:fs')

/**
 * Runs mount(8), in the folder from which sources are named. Ends this process with 125 when it fails, and says why.
 * @param {{ readonly mount: string, readonly mountsFrom: string }} by
 * @param {readonly string[]} args
 */
function mount({ mount, mountsFrom }, args) {
  const { status, error, stderr } = spawnSync(mount, ['--no-mtab', ...args], {
    cwd: mountsFrom,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status === 0) return
  process.stderr.write(`naru: mount ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}\n`)
  process.exit(125)
}

/**
 * Moves a mounted folder over `/`, so that nothing of the machine is left to climb to, and stands in it: who changes its root to `.`
 * next is in there.
 * @param {{ readonly mount: string, readonly mountsFrom: string, readonly hostname: string, readonly setHostname: string | null }} by
 * @param {string} root
 */
function moveRoot(by, root) {
  process.chdir(root)
  mount(by, ['--move', root, '/'])
  try {
    writeFileSync('/proc/sys/kernel/hostname', by.hostname)
  } catch {
    // In a user namespace the call is allowed, and the file is not. The name is for people: without the program it stays.
    if (by.setHostname !== null) spawnSync(by.setHostname, [by.hostname], { stdio: 'ignore' })
  }
}

/**
 * This process becomes the program: absolute path and arguments.
 * @param {readonly string[]} chain
 * @param {Readonly<Record<string, string | undefined>>} env
 */
function become([program = '', ...args], env) {
  // Node ignores these two, and a program would inherit that: with its last listener the default comes back.
  for (const signal of /** @type {const} */ (['SIGPIPE', 'SIGXFSZ'])) {
    const ignore = () => {}
    process.on(signal, ignore).off(signal, ignore)
  }
  process.execve(program, [program, ...args], { ...env })
}

module.exports = { mount, moveRoot, become }
