import { closeSync, existsSync, linkSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { identify, isAlive } from '../os/process-identity.ts'
import { GAP_MS, type LedgerEntry, ledgerLine } from './ledger.ts'
import { proberFiles, readIdentity } from './prober-files.ts'
import { requestSender } from './send-request.ts'

/**
 * The prober's process: `node prober-main.ts LEDGER URL HOST RATE TIMEOUT_MS ORPHAN_MS` (HOST `-`: none). An open loop: request n is sent at
 * its time whether or not the ones before it were answered, and its latency counts from then. SIGTERM ends it politely.
 */
const HEARTBEAT_MS = 250

const [ledgerPath = '', url = '', host = '-', rateText = '', timeoutText = '', orphanText = ''] = process.argv.slice(2)
const rate = Number(rateText)
const files = proberFiles(ledgerPath)
claim()
const ledger = openSync(files.ledger, 'a', 0o600)
const sender = requestSender(url, host === '-' ? null : host, Number(timeoutText))
// Whatever a killed prober left of a line is a line of its own.
let lines = '\n'
let underWay = 0
let stopping = false
let ownerSeenMs = Date.now()

write({ kind: 'began', atMs: Date.now() })
flush()
const heartbeat = setInterval(() => {
  write({ kind: 'there', atMs: Date.now() })
  flush()
  if (isOwned()) ownerSeenMs = Date.now()
  if (Date.now() - ownerSeenMs > Number(orphanText) || !existsSync(files.ledger)) stop()
}, HEARTBEAT_MS)
process.on('SIGTERM', stop)
process.on('SIGINT', () => {})
process.on('SIGHUP', () => {})
sendOnTime()

function sendOnTime(): void {
  const startedMs = performance.now()
  let sent = 0
  const tick = () => {
    if (stopping) return
    // What is too late to be caught up with is a gap: a process that was stopped must not flood the app.
    sent = Math.max(sent, Math.ceil(((performance.now() - startedMs - GAP_MS) / 1000) * rate))
    while (sent * (1000 / rate) <= performance.now() - startedMs) {
      void sendOne(startedMs + (sent * 1000) / rate)
      sent++
    }
    setTimeout(tick, Math.max(1, startedMs + (sent * 1000) / rate - performance.now()))
  }
  tick()
}

async function sendOne(dueMs: number): Promise<void> {
  underWay++
  // From the wall clock of now: it goes on while the machine sleeps, the monotonic one does not.
  const atMs = Math.round(Date.now() - (performance.now() - dueMs))
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

/** One prober per ledger: a live one keeps it, a dead one's file is taken over. The file appears with all its content. */
function claim(): void {
  const held = readIdentity(files.identity)
  if (held !== null && isAlive(held)) process.exit(0)
  const own = `${files.identity}.${process.pid}`
  rmSync(files.identity, { force: true })
  writeFileSync(own, JSON.stringify(identify(process.pid)), { mode: 0o600 })
  try {
    linkSync(own, files.identity)
  } catch {
    rmSync(own, { force: true })
    process.exit(0)
  }
  rmSync(own, { force: true })
}

function isOwned(): boolean {
  const owner = readIdentity(files.owner)
  return owner !== null && isAlive(owner)
}
