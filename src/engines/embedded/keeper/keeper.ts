import { type Scope, scopeName } from '../../../model/app.ts'
import { DeployError } from '../../../model/failure.ts'
import { inCgroups } from '../../../os/cgroup.ts'
import { canListen } from '../../../os/listening-socket.ts'
import { ProgramNotStarted, run } from '../../../os/run.ts'
import { choosePort, type PortRange, portSeed } from './assigned-ports.ts'
import type { Handover } from './handover.ts'
import { HeldStarts } from './replica/held-starts.ts'
import { KeptMigration, newMigration } from './kept-migration.ts'
import { KeptReplica } from './replica/kept-replica.ts'
import type { Surroundings } from './surroundings.ts'
import { cutLog, LOG_LIMIT_BYTES, releaseLog, reserveLog } from './logs/log-room.ts'
import type { ExecAnswer, KeeperRequest, KeeperRequestKind, MigrateRequest, MigrationRecord } from './protocol.ts'
import { newRecord, type ReplicaRecord } from './replica/replica-record.ts'
import { secretEnvironment } from './process/spawn-launch.ts'

type Of<K extends KeeperRequestKind> = Extract<KeeperRequest, { readonly kind: K }>
/** Requests about replicas. `status`, `handover` and `shutdown` are about the keeper itself and answered where that is. */
export type ReplicaRequest = Exclude<KeeperRequest, { readonly kind: 'status' | 'handover' | 'shutdown' }>
type Answers = { readonly [K in ReplicaRequest['kind']]: (request: Of<K>) => Promise<unknown> }

/** Everything that one keeper keeps, and what may be asked of it. It carries out and decides nothing but when to restart. */
export class Keeper {
  readonly #around: Surroundings
  readonly #ports: PortRange
  readonly #portSeed: number
  /** One port is chosen at a time: between the question whether it is free and the answer nobody else is given it. */
  #reserving: Promise<unknown> = Promise.resolve()
  readonly #held: HeldStarts
  readonly #replicas = new Map<string, KeptReplica>()
  readonly #migrations = new Map<string, KeptMigration>()
  /** Whether the file system can reserve room for logs. */
  #canReserve = true
  readonly #answers: Answers = {
    observe: async ({ scope }) => this.#observe(scope),
    reserve: ({ scope, replica }) => this.#reserve(scope, replica),
    hold: (request) => this.#hold(request),
    release: ({ scope, replica }) => this.#release(scope, replica),
    start: (request) => this.#start(request),
    stop: async ({ scope, replica, graceMs }) => this.#replicas.get(keyOf(scope, replica))?.stop(graceMs),
    remove: ({ scope, replica }) => this.#remove(scope, replica),
    migrate: (request) => this.#migrate(request),
    migration: async ({ scope, revision }) => this.#migrations.get(migrationKey(scope, revision))?.record ?? null,
    'await-migration': ({ scope, revision }) => this.#awaitMigration(scope, revision),
    fence: async () => {},
    prune: ({ scope, keep }) => this.#prune(scope, keep),
    readiness: async ({ scope, replica, pid, readySinceMs }) =>
      this.#replicas.get(keyOf(scope, replica))?.setReadiness(pid, readySinceMs),
    secrets: async ({ scope, replica, secrets }) => this.#replicas.get(keyOf(scope, replica))?.giveSecrets(secrets),
    exec: (request) => this.#exec(request),
  }

  constructor(around: Surroundings, ports: PortRange, instanceId: string) {
    this.#around = around
    this.#held = new HeldStarts(around)
    this.#ports = ports
    this.#portSeed = portSeed(ports, instanceId)
  }

  get size(): number {
    return this.#replicas.size
  }

  /** Nothing runs and nothing is to be started again. */
  get isEmpty(): boolean {
    return this.#replicas.size === 0 && this.#held.size === 0 && ![...this.#migrations.values()].some(isUnderWay)
  }

  /** Values that only this keeper knows, for its successor. */
  get secrets(): Handover['secrets'] {
    return [...this.#replicas.values()].flatMap((one) => {
      const { scope, replica } = one.record.spec.place
      return one.secrets === null ? [] : [{ scope, replica, secrets: one.secrets }]
    })
  }

  /** Resolves when nothing is under way any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#replicas.values()].map((replica) => replica.settled()))
  }

  /** Goes on with everything that is written down; `inherited`: the values that a predecessor handed over. */
  async adopt(inherited: Handover['secrets']): Promise<void> {
    const given = new Map(inherited.map(({ scope, replica, secrets }) => [keyOf(scope, replica), secrets]))
    for (const record of this.#around.ledger.migrations()) {
      const migration = new KeptMigration(record, this.#around)
      this.#migrations.set(migrationKey(record.spec.place.scope, record.spec.place.revision), migration)
      migration.adopt()
    }
    const replicas = this.#around.ledger.replicas().map((record) => {
      return new KeptReplica(record, given.get(keyOfRecord(record)) ?? null, this.#around)
    })
    for (const replica of replicas) this.#replicas.set(keyOfRecord(replica.record), replica)
    await Promise.all(replicas.map((replica) => replica.adopt()))
  }

  /** Carries out one request. A token is checked and remembered before anything else. */
  async answer(request: ReplicaRequest): Promise<unknown> {
    if ('token' in request) this.#around.ledger.fence(request.scope, request.token)
    const answer = this.#answers[request.kind] as ((request: ReplicaRequest) => Promise<unknown>) | undefined
    if (answer === undefined) throw requestUnknown(request.kind)
    return answer(request)
  }

  /** Stops and removes everything. What fails on the way is complained about, the rest goes on. */
  async shutdown(graceMs: number): Promise<void> {
    await this.#held.dropAll()
    await Promise.allSettled([...this.#migrations.values()].map((migration) => migration.abandon()))
    await Promise.allSettled(
      [...this.#replicas.values()].map(async (replica) => {
        await replica.stop(graceMs)
        await replica.gone()
        const { scope, replica: name } = replica.record.spec.place
        await this.#remove(scope, name).catch(this.#around.complain)
      }),
    )
  }

  /** Cuts logs that have grown too long, and keeps room at their ends. */
  async tendLogs(): Promise<void> {
    for (const replica of this.#replicas.values()) {
      await cutLog(replica.log, LOG_LIMIT_BYTES, this.#around.signal).catch(this.#around.complain)
      await this.#reserveLog(replica)
    }
  }

  async #reserveLog({ log, record }: KeptReplica): Promise<void> {
    if (record.state === 'exited' || !this.#canReserve) return
    this.#canReserve = await reserveLog(log, this.#around.signal).catch(() => true)
  }

  #observe(scope: Scope | null): readonly ReplicaRecord[] {
    const all = [...this.#replicas.values()].map(({ record }) => record)
    return scope === null ? all : all.filter(({ spec }) => scopeName(spec.place.scope) === scopeName(scope))
  }

  #reserve(scope: Scope, replica: string): Promise<number> {
    const port = this.#reserving.then(() => this.#freePort(scope, replica))
    this.#reserving = port.catch(() => {})
    return port
  }

  async #freePort(scope: Scope, replica: string): Promise<number> {
    const { ledger } = this.#around
    const given = ledger.ports()
    const mine = given.find((one) => one.replica === replica && one.scope === scopeName(scope))
    if (mine !== undefined) return mine.port
    const taken = new Set(given.map(({ port }) => port))
    while (true) {
      const port = choosePort(this.#ports, ledger.lastPort() ?? this.#portSeed, taken)
      if (await canListen(port)) {
        ledger.reservePort(port, scope, replica)
        return port
      }
      taken.add(port)
    }
  }

  async #hold({ spec, secrets }: Of<'hold'>): Promise<void> {
    if (!this.#replicas.has(keyOf(spec.place.scope, spec.place.replica))) await this.#held.hold(spec, secrets)
  }

  async #release(scope: Scope, replica: string): Promise<void> {
    await this.#held.drop(scope, replica)
    if (!this.#replicas.has(keyOf(scope, replica))) this.#around.ledger.dropReplica(scope, replica)
  }

  async #start({ spec, secrets }: Of<'start'>): Promise<void> {
    const key = keyOf(spec.place.scope, spec.place.replica)
    const known = this.#replicas.get(key)
    if (known !== undefined) return known.giveSecrets(secrets)
    const replica = new KeptReplica(newRecord(spec, this.#around.clock.now()), secrets, this.#around)
    this.#replicas.set(key, replica)
    try {
      await replica.begin(await this.#held.take(spec.place.scope, spec.place.replica, spec.launch))
    } catch (failed) {
      this.#replicas.delete(key)
      throw failed
    }
    void this.#reserveLog(replica)
  }

  async #remove(scope: Scope, replica: string): Promise<void> {
    const key = keyOf(scope, replica)
    const known = this.#replicas.get(key)
    await known?.remove()
    if (known !== undefined) releaseLog(known.log)
    this.#around.ledger.dropReplica(scope, replica)
    this.#replicas.delete(key)
    this.#around.changed(scope)
  }

  async #migrate(request: MigrateRequest): Promise<MigrationRecord> {
    const key = migrationKey(request.scope, request.spec.place.revision)
    const known = this.#migrations.get(key)
    if (known !== undefined) return known.record
    const migration = new KeptMigration(newMigration(request, this.#around.clock.now()), this.#around)
    this.#migrations.set(key, migration)
    try {
      await migration.begin(request.secrets)
    } catch (failed) {
      this.#migrations.delete(key)
      throw failed
    }
    return migration.record
  }

  async #awaitMigration(scope: Scope, revision: number): Promise<MigrationRecord | null> {
    return (await this.#migrations.get(migrationKey(scope, revision))?.ended) ?? null
  }

  async #prune(scope: Scope, keep: readonly number[]): Promise<void> {
    // What a killed server reserved and never started.
    for (const { replica, scope: of } of this.#around.ledger.ports())
      if (of === scopeName(scope)) await this.#release(scope, replica)
    for (const [key, { record }] of this.#migrations) {
      const { scope: of, revision } = record.spec.place
      if (scopeName(of) !== scopeName(scope) || keep.includes(revision) || record.state === 'running') continue
      this.#around.ledger.dropMigration(scope, revision)
      this.#migrations.delete(key)
    }
  }

  async #exec({ launch, timeoutMs }: Of<'exec'>): Promise<ExecAnswer> {
    const env = { ...launch.env, ...secretEnvironment(launch, {}) }
    const who = {
      ...(launch.uid === null ? {} : { uid: launch.uid }),
      ...(launch.gid === null ? {} : { gid: launch.gid }),
    }
    const options = { cwd: launch.cwd, env, ...who, timeoutMs, signal: this.#around.signal, maxOutputBytes: 4096 }
    try {
      const { code, timedOut, stdout, stderr } = await inCgroups(launch.cgroups, () =>
        run(launch.program, launch.args, options),
      )
      return { code, timedOut, lastLine: lastLine(stderr) ?? lastLine(stdout) ?? '' }
    } catch (failed) {
      if (failed instanceof ProgramNotStarted) return { code: null, timedOut: false, lastLine: failed.message }
      throw failed
    }
  }
}

const keyOf = (scope: Scope, replica: string): string => `${scopeName(scope)}/${replica}`
const keyOfRecord = ({ spec }: ReplicaRecord): string => keyOf(spec.place.scope, spec.place.replica)
const migrationKey = (scope: Scope, revision: number): string => `${scopeName(scope)}@${revision}`
const isUnderWay = ({ record }: KeptMigration): boolean => record.state === 'starting' || record.state === 'running'
const lastLine = (text: string): string | undefined => text.trimEnd().split('\n').at(-1) || undefined

/** A message that is none of ours. */
const requestUnknown = (kind: unknown): DeployError =>
  new DeployError('ENGINE_PROTOCOL', `the keeper does not know the request ${JSON.stringify(kind)}`, {
    hint: 'What runs goes on. Use the naru that started it, or the same version.',
  })
