import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { identify, isAlive, type ProcessIdentity } from '../os/process-identity.ts'
import { type LedgerEntry, ledgerLine } from './ledger.ts'
import { proberFiles } from './prober-files.ts'
import { requestSender } from './send-request.ts'

/**
 * The prober's process: `node prober-main.ts LEDGER URL HOST RATE TIMEOUT_MS` (HOST `-`: none). An open loop: request n is sent at
 * its time whether or not the ones before it were answered, and its latency counts from then. SIGTERM ends it politely.
 */
const HEARTBEAT_MS = 250
/** How long its server may be away (killed, restarting) before nobody will read the ledger any more. */
const ORPHAN_MS = 120_000

const [ledgerPath = '', url = '', host = '-', rateText = '', timeoutText = ''] = process.argv.slice(2)
const rate = Number(rateText)
const files = proberFiles(ledgerPath)
claim()
const ledger = openSync(files.ledger, 'a', 0o600)
const sender = requestSender(url, host === '-' ? null : host, Number(timeoutText))
let lines = ''
let underWay = 0
let stopping = false
let ownerSeenMs = Date.now()

write({ kind: 'began', atMs: Date.now() })
flush()
const heartbeat = setInterval(() => {
  write({ kind: 'there', atMs: Date.now() })
  flush()
  if (isOwned()) ownerSeenMs = Date.now()
  if (Date.now() - ownerSeenMs > ORPHAN_MS || !existsSync(files.ledger)) stop()
}, HEARTBEAT_MS)
process.on('SIGTERM', stop)
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})
sendOnTime()

function sendOnTime(): void {
  const startedMs = performance.now()
  const startedAtMs = Date.now()
  let sent = 0
  const tick = () => {
    if (stopping) return
    // At most what a second holds is caught up with at once: a machine that slept must not flood the app.
    sent = Math.max(sent, Math.floor(((performance.now() - startedMs) / 1000 - 1) * rate))
    while (sent * (1000 / rate) <= performance.now() - startedMs) {
      const dueMs = (sent * 1000) / rate
      sent++
      void sendOne(startedMs + dueMs, Math.round(startedAtMs + dueMs))
    }
    setTimeout(tick, Math.max(1, startedMs + (sent * 1000) / rate - performance.now()))
  }
  tick()
}

async function sendOne(dueMs: number, atMs: number): Promise<void> {
  underWay++
  const end = await sender.send()
  write({ ...end, atMs, tookMs: Math.max(0, Math.round(performance.now() - dueMs)) })
  underWay--
  if (stopping && underWay === 0) endNow()
}

function stop(): void {
  if (stopping) return
  stopping = true
  if (underWay === 0) endNow()
}

function endNow(): void {
  clearInterval(heartbeat)
  write({ kind: 'ended', atMs: Date.now() })
  flush()
  closeSync(ledger)
  rmSync(files.identity, { force: true })
  sender.close()
  process.exit(0)
}

function write(entry: LedgerEntry): void {
  lines += ledgerLine(entry)
  if (lines.length > 4096) flush()
}

function flush(): void {
  if (lines === '') return
  writeSync(ledger, lines)
  lines = ''
}

/** One prober per ledger: a live one keeps it, a dead one's file is taken over. */
function claim(): void {
  const own = identify(process.pid)
  const held = readIdentity(files.identity)
  if (held !== null && isAlive(held)) process.exit(0)
  rmSync(files.identity, { force: true })
  try {
    writeFileSync(files.identity, JSON.stringify(own), { flag: 'wx', mode: 0o600 })
  } catch {
    process.exit(0)
  }
}

function isOwned(): boolean {
  const owner = readIdentity(files.owner)
  return owner !== null && isAlive(owner)
}

function readIdentity(path: string): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
  } catch {
    return null
  }
}
