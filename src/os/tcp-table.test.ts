import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { listeningPorts } from './tcp-table.ts'

const isRoot = process.geteuid?.() === 0
const LISTEN = "const s=require('net').createServer().listen(0,'127.0.0.1',()=>console.log(s.address().port))"
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

async function listener(as: { readonly uid?: number; readonly gid?: number } = {}) {
  const child = spawn(process.execPath, ['-e', LISTEN], { stdio: ['ignore', 'pipe', 'inherit'], ...as })
  children.push(child)
  const [line] = await once(child.stdout, 'data')
  return { pid: child.pid ?? 0, port: Number(String(line)) }
}

it('a listening port is found by the process that listens', async () => {
  const { pid, port } = await listener()
  expect(listeningPorts([pid])).toEqual([port])
})

it('a port of another process is not taken for one of these', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { pid } = await listener()
  expect(listeningPorts([pid])).not.toContain((server.address() as AddressInfo).port)
  server.close()
})

it('a process that is gone listens nowhere', () => expect(listeningPorts([2 ** 22 + 1])).toEqual([]))

it.skipIf(!isRoot)('root without CAP_SYS_PTRACE finds the port of another user (left out without root)', async () => {
  const { pid, port } = await listener({ uid: 65_534, gid: 65_534 })
  const code = `import { listeningPorts } from '${join(import.meta.dirname, 'tcp-table.ts')}'; console.log(JSON.stringify(listeningPorts([${pid}])))`
  const drop = ['--bounding-set=-sys_ptrace', '--inh-caps=-sys_ptrace', '--']
  const args = [...drop, process.execPath, '--input-type=module', '--eval', code]
  const { stdout, stderr } = spawnSync('setpriv', args, { encoding: 'utf8' })
  expect(stdout.trim(), stderr).toBe(JSON.stringify([port]))
})
