// The first program in a sandbox's namespaces: mounts what the command sees, makes that the root where asked, and becomes
// the next program. Arguments: the file of an EnterSpec (enter-spec.ts). Secrets come by stdin and go to memory only. Its own
// environment is TOOL_ENV: nothing of an image steers it. Plain JavaScript: see new-root.cjs.
// @ts-check
const { spawnSync } = require('node:child_process')
const { chmodSync, chownSync, readFileSync, writeFileSync } = require('node:fs')
const { become, mount, moveRoot } = require('./new-root.cjs')

const spec = /** @type {import('./enter-spec.ts').EnterSpec} */ (
  JSON.parse(readFileSync(String(process.argv[2]), 'utf8'))
)
const secrets = /** @type {import('./enter-spec.ts').EnterSecrets} */ (JSON.parse(readFileSync(0, 'utf8')))

/** @param {readonly string[]} check */
function standsInside([program = '', ...args]) {
  const { status } = spawnSync(program, args, { stdio: 'ignore' })
  if (status === 126) return
  process.stderr.write(`${secrets.begins}\n`)
  process.stderr.write(`naru: ${spec.cwd} cannot be the folder of a RUN\n`)
  process.exit(125)
}

process.umask(0o022)
// Before all else: what is in it ends with these namespaces.
mount(spec, ['-t', 'tmpfs', '-o', 'mode=0755,nosuid,nodev', 'private', spec.privateFolder])
for (const { name, mode, uid, gid, value } of secrets.files) {
  const path = `${spec.privateFolder}/${name}`
  writeFileSync(path, value, { mode: 0o600 })
  chownSync(path, uid, gid)
  chmodSync(path, mode)
}
mount(spec, ['--all', '--fstab', spec.mountTable])
if (spec.check !== null) standsInside(spec.check)
if (spec.newRoot !== null) moveRoot(spec, spec.newRoot)
if (spec.bundle !== null) {
  const variables = Object.entries({ ...spec.env, ...secrets.env }).map(([name, value]) => `${name}=${value}`)
  const config = { ...spec.bundle, process: { ...spec.bundle.process, env: variables } }
  writeFileSync(`${spec.privateFolder}/config.json`, JSON.stringify(config), { mode: 0o600 })
}
process.stderr.write(`${secrets.begins}\n`)
become(spec.chain, spec.bundle === null ? { ...spec.env, ...secrets.env } : spec.own)
