import { statfs } from 'node:fs/promises'
import type { DoctorLine } from '../cli/host.ts'
import { findTools } from '../engines/embedded/roots/start/tools.ts'
import { failureReport } from '../model/failure.ts'
import { run } from '../os/run.ts'
import { placeLines } from './doctor-place.ts'
import { nearestFolder, tryFolder } from './ready-folder.ts'
import { runningServer } from './running-server.ts'

const GIT = [2, 31] as const
const ROOM_BYTES = 2 * 2 ** 30

/** What this machine has and lacks, each with its fix. Leaves nothing behind. */
export async function* doctor(folder: string, signal: AbortSignal): AsyncGenerator<DoctorLine> {
  yield { check: 'node', state: 'ok', found: `${process.versions.node} (${process.execPath})`, fix: null }
  yield await gitLine(signal)
  yield toolsLine()
  const data = await dataLines(folder)
  yield* data
  if (data.some(({ state }) => state === 'failed')) return
  const socket = await runningServer(folder)
  yield* placeLines(socket, signal)
  yield serverLine(folder, socket)
  yield { check: 'docker', state: 'ok', found: 'not needed', fix: null }
}

async function gitLine(signal: AbortSignal): Promise<DoctorLine> {
  const fix = `Install git ${GIT.join('.')} or newer: apt install git, dnf install git.`
  const env = { PATH: process.env.PATH ?? '', LC_ALL: 'C' }
  const asked = await run('git', ['--version'], { env, cwd: '/', timeoutMs: 10_000, signal }).catch(() => null)
  const [version = '', major = '0', minor = '0'] = /(\d+)\.(\d+)[.\d]*/.exec(asked?.stdout ?? '') ?? []
  if (version === '') return { check: 'git', state: 'failed', found: 'not there', fix }
  const isOld = Number(major) < GIT[0] || (Number(major) === GIT[0] && Number(minor) < GIT[1])
  return { check: 'git', state: isOld ? 'failed' : 'ok', found: version, fix: isOld ? fix : null }
}

function toolsLine(): DoctorLine {
  const tools = findTools(process.env.PATH ?? '')
  const missing = (['unshare', 'nsenter', 'setpriv', 'mount'] as const).filter((name) => tools[name] === null)
  if (missing.length === 0)
    return { check: 'util-linux', state: 'ok', found: 'unshare, nsenter, setpriv, mount', fix: null }
  return {
    check: 'util-linux',
    state: 'warning',
    found: `not there: ${missing.join(', ')}`,
    fix: 'Install util-linux (apt install util-linux): without it replicas are not kept apart.',
  }
}

async function dataLines(folder: string): Promise<DoctorLine[]> {
  const trouble = await tryFolder(folder).catch((failed: unknown) => {
    const { message, hint } = failureReport(failed)
    return { found: message, fix: hint }
  })
  if (trouble !== null) return [{ check: 'data folder', state: 'failed', ...trouble }]
  return [{ check: 'data folder', state: 'ok', found: folder, fix: null }, await roomLine(folder)]
}

async function roomLine(folder: string): Promise<DoctorLine> {
  const { bavail, bsize, ffree, files } = await statfs(await nearestFolder(folder))
  const free = bavail * bsize
  const found = `${(free / 2 ** 30).toFixed(1)} GiB free`
  if (files > 0 && ffree < 10_000) {
    return {
      check: 'room',
      state: 'warning',
      found: `${ffree} inodes free`,
      fix: `Make room where ${folder} is (df -i).`,
    }
  }
  const isLow = free < ROOM_BYTES
  const fix = `Images and releases need some room: free some where ${folder} is (df -h), or choose another one with --data.`
  return { check: 'room', state: isLow ? 'warning' : 'ok', found, fix: isLow ? fix : null }
}

function serverLine(folder: string, socket: string | null): DoctorLine {
  if (socket !== null) return { check: 'server', state: 'ok', found: `answers on ${socket}`, fix: null }
  return {
    check: 'server',
    state: 'ok',
    found: `not running for ${folder}: commands start it when they need it`,
    fix: null,
  }
}
