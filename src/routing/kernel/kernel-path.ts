import { constants, setPriority } from 'node:os'
import { DeployError } from '../../model/failure.ts'
import { Rounds } from '../rounds.ts'
import { NftMonitor } from './nft-monitor.ts'
import { NftSession } from './nft-session.ts'
import { holds, tableCommand, tableName, touchCommand } from './nft-table.ts'
import type { HeldTable, WantedTable } from './wanted-table.ts'

/** A change of another tool comes as many events: look once after the first. */
const LOOK_AFTER_MS = 20
const ATTEMPTS = 3

export interface KernelPathOptions {
  readonly instanceId: string
  /** Which start of the router this is; the table refuses a writer of an earlier one once this one has written. */
  readonly generation: number
  /** What the table should hold, asked anew for each round. */
  readonly wanted: () => WantedTable
  /** Told when another tool's change was undone, or could not be. */
  readonly note: (message: string) => void
  /** Default: `nft` of the PATH. */
  readonly program?: string
}

/** The nftables table in front of the userland router: kept as it should be, proven by reading it back. */
export class KernelPath {
  readonly #options: KernelPathOptions
  readonly #program: string
  readonly #table: string
  #session: NftSession
  #monitor: NftMonitor | null = null
  #held: HeldTable | null = null
  /** Whether the kernel can forget connections sooner than it would; tried first. */
  #forgets = true
  /** Whether the table may differ from `#held`. */
  #stale = true
  /** Whether the next round writes also when nothing is to be changed: the monitor waits for something to hear. */
  #touch = false
  readonly #rounds = new Rounds(() => this.#round())
  #look: NodeJS.Timeout | null = null
  #closed = false

  private constructor(options: KernelPathOptions) {
    this.#options = options
    this.#program = options.program ?? 'nft'
    this.#table = tableName(options.instanceId)
    this.#session = new NftSession(this.#program, this.#table)
  }

  /** Takes the table over from a predecessor, or makes it. null, told by a note: not possible here (no nft, no root). */
  static async open(options: KernelPathOptions): Promise<KernelPath | null> {
    const { PRIORITY_ABOVE_NORMAL, PRIORITY_NORMAL } = constants.priority
    setOwnPriority(PRIORITY_ABOVE_NORMAL)
    const path = new KernelPath(options)
    try {
      await path.sync().catch(async () => {
        path.#forgets = false
        await path.sync()
      })
      path.#watch()
      return path
    } catch (failed) {
      options.note(`connections go through the userland router alone: ${(failed as Error).message}`)
      path.#session.close()
      setOwnPriority(PRIORITY_NORMAL)
      return null
    }
  }

  /** The table as it was last read. */
  get held(): HeldTable | null {
    return this.#held
  }

  /** Resolves when the kernel holds what was wanted at the call or later. Throws ROUTER_FAILED. */
  sync(): Promise<void> {
    return this.#rounds.run()
  }

  /** Reads the counters. */
  async refresh(): Promise<HeldTable | null> {
    await this.sync()
    return this.#held
  }

  /** Ends the helpers; `remove`: and takes the table away. */
  async close(remove: boolean): Promise<void> {
    this.#closed = true
    if (this.#look !== null) clearTimeout(this.#look)
    this.#monitor?.close()
    await this.#rounds.running?.catch(() => {})
    if (remove) await this.#session.exchange(`delete table ${this.#table}`).catch(() => {})
    this.#session.close()
  }

  async #round(): Promise<void> {
    const { generation } = this.#options
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const wanted = this.#options.wanted()
      try {
        await this.#write(wanted)
      } catch (failed) {
        this.#forget()
        if (this.#closed || attempt === ATTEMPTS - 1) throw this.#failed((failed as Error).message)
        if (this.#session.ended) this.#session = new NftSession(this.#program, this.#table)
        continue
      }
      if (holds(this.#held, wanted, generation)) return
      this.#forget()
    }
    throw this.#failed(this.#session.complaint.split('\n')[0] || 'it does not hold what was written')
  }

  async #write(wanted: WantedTable): Promise<void> {
    if (this.#stale) await this.#read()
    const { generation } = this.#options
    const change = tableCommand(this.#table, this.#held, wanted, generation, this.#forgets)
    const command = change ?? (this.#touch ? touchCommand(this.#table, generation) : null)
    this.#touch = false
    this.#held = await this.#session.exchange(command)
    if (change === null && !holds(this.#held, wanted, generation)) this.#tellChanged()
  }

  /** A change did not take hold: what is there is read anew, and nobody is blamed. */
  #forget(): void {
    this.#held = null
    this.#stale = true
  }

  async #read(): Promise<void> {
    const known = this.#held
    this.#held = await this.#session.exchange(null)
    this.#stale = false
    const { generation } = this.#options
    const writer = this.#held?.writer ?? 0
    if (writer > generation) throw new Error(`router ${writer} of this folder owns it, this is ${generation}`)
    if (known !== null && !isSame(known, this.#held)) this.#tellChanged()
  }

  #tellChanged(): void {
    this.#options.note(`the nftables table ${this.#table} was changed by another program: it is written again`)
  }

  #failed(why: string): DeployError {
    return new DeployError('ROUTER_FAILED', `nftables table ${this.#table}: ${why}`, {
      hint: `Traffic goes on as before. See the table with: nft list table ${this.#table}; then run the same command again.`,
    })
  }

  /** Somebody else's flush or reload takes our rules away: put them back. */
  #watch(): void {
    const touch = () => {
      this.#touch = true
      return this.sync()
    }
    const changed = () => this.#lookSoon()
    this.#monitor = new NftMonitor({ program: this.#program, table: this.#table, changed, touch })
  }

  #lookSoon(): void {
    if (this.#closed) return
    this.#look ??= setTimeout(() => {
      this.#look = null
      this.#stale = true
      this.sync().catch((failed: unknown) => this.#options.note((failed as Error).message))
    }, LOOK_AFTER_MS)
  }
}

/** Whether nothing was changed between two readings, the counters apart. */
function isSame(before: HeldTable, now: HeldTable | null): boolean {
  if (now === null || now.whole !== before.whole || now.writer !== before.writer) return false
  if (before.services.size !== now.services.size) return false
  return [...before.services].every(([service, turns]) => now.services.get(service)?.join() === turns.join())
}

/**
 * Where the kernel redirects, this process only decides, and must not wait behind what it serves: with eight busy processes on two cores
 * a crashed target left the map in 12 ms instead of 28 (its helpers, nft and ss, inherit it). A router that carries the bytes itself
 * would be woken for each message alone, which costs a third more. Only root may; for others it stays as it is.
 */
function setOwnPriority(priority: number): void {
  try {
    setPriority(priority)
  } catch {
    // EACCES, EPERM.
  }
}
