import type { Receipt } from '../../src/model/receipt.ts'
import type { StatusBody } from '../../src/api/responses.ts'
import { askMany } from './ask-many.ts'
import { type Check, checkLoad, checkRollout, type Expected } from './checks.ts'
import { Load, type LoadReport } from './load.ts'
import { Naru } from './naru.ts'
import type { Narrator } from './narrator.ts'
import { type ReceiptRow, receiptRow, receiptTable } from './receipt-table.ts'
import { Repository } from './repository.ts'
import { Server } from './server.ts'
import type { Surroundings } from './surroundings.ts'

/** Requests a second of the load client. */
const RATE = 200
const ASKED_WITHOUT_SERVER = 100

/** The chapters, in their order. What they find is collected; only what makes going on pointless is thrown. */
export class Story {
  readonly checks: Check[] = []
  readonly rows: ReceiptRow[] = []
  load: LoadReport | null = null
  isolation = ''
  readonly #where: Surroundings
  readonly #narrator: Narrator
  readonly #naru: Naru
  readonly #repository: Repository
  readonly #server: Server
  readonly #signal: AbortSignal
  #client: Load | null = null

  constructor(where: Surroundings, narrator: Narrator, signal: AbortSignal) {
    this.#where = where
    this.#narrator = narrator
    this.#signal = signal
    this.#naru = new Naru(where, narrator, signal)
    this.#repository = new Repository(where, signal)
    this.#server = new Server(where, narrator, signal)
  }

  async tell(): Promise<void> {
    await this.#prepare()
    await this.#firstDeploy()
    this.#client = new Load(this.#where, RATE)
    await this.#update()
    await this.#failure()
    await this.#goBack()
    await this.#killedServer()
    await this.#receipts()
  }

  /** What the server complained about, for a demo that failed. */
  get complaints(): readonly string[] {
    return this.#server.errors
  }

  /** Ends the programs that the story started; what the server started is another matter. */
  async end(): Promise<void> {
    await this.#client?.kill()
    await this.#server.close()
  }

  async #prepare(): Promise<void> {
    const { chapter, say } = this.#words
    chapter('A server, and a base image made of this machine')
    say(
      'No Docker, no registry, no internet: a server in a temporary folder, on free ports. Base images usually come from a',
    )
    say('registry; this one is made of the Node that runs the demo and the shared libraries that it needs.')
    await this.#server.start()
    await this.#repository.create()
    this.#mustBe(await this.#naru.run(['image', 'base', 'node']), 0, 'naru image base node')
  }

  async #firstDeploy(): Promise<void> {
    const { chapter, say } = this.#words
    chapter('From a commit to three replicas')
    say('examples/hello is committed to a Git repository. One command takes that commit to running: an image from its')
    say(
      'Dockerfile, into the embedded registry by content, a numbered release, three replicas, and the router in front.',
    )
    await this.#commit('v1: say hello')
    const expected = { kind: 'deploy', from: null, to: 1, endState: 'all-new', available: null, cause: null } as const
    await this.#rollout('deploy v1', ['deploy'], { exit: 0, ...expected })
    const status = await this.#naru.ask<StatusBody>(['status'])
    this.isolation = (await this.#server.describe()).isolation
    this.#check('three replicas are ready', status.replicas.filter(({ ready }) => ready).length === 3, status.replicas)
    await this.#naru.run(['status'])
  }

  async #update(): Promise<void> {
    const { chapter, say } = this.#words
    chapter('A rolling update under load')
    say(
      `From here on a separate client sends ${RATE} requests a second, half of them on new connections and half on kept ones,`,
    )
    say(
      'and writes down what becomes of each; it knows nothing of Naru. v2 replaces v1 one replica at a time: start, wait',
    )
    say('until it is ready, let traffic in, take traffic off an old one, and only then stop that.')
    await this.#commit('v2: a better hello', [version('v1', 'v2')])
    const expected = { kind: 'deploy', from: 1, to: 2, endState: 'all-new', available: 3, cause: null } as const
    await this.#rollout('deploy v2', ['deploy'], { exit: 0, ...expected })
  }

  async #failure(): Promise<void> {
    const { chapter, say } = this.#words
    const { wrongPort } = this.#where
    chapter('A version that never becomes ready')
    say(
      `v3 has a bug: it listens on ${wrongPort} whatever PORT says. Nobody waits for a time limit: as soon as the cause can be`,
    )
    say('known, it is named, and what runs goes back to v2. No old replica was given up for it.')
    const listens = { file: 'server.mjs', from: /Number\(process\.env\.PORT \?\? 8080\)/, to: String(wrongPort) }
    await this.#commit('v3: a bug', [version('v2', 'v3'), listens])
    const cause = new RegExp(`listens on .*\\b${wrongPort}\\b.*, was told \\d+`)
    const expected = { kind: 'deploy', from: 2, to: 3, endState: 'all-old', available: 3, cause } as const
    await this.#rollout('deploy v3', ['deploy'], { exit: 7, ...expected })
  }

  async #goBack(): Promise<void> {
    const { chapter, say } = this.#words
    chapter('Back by hand')
    say(
      'Somebody liked v1 better. A rollback restores the whole release (image, settings and secrets), under the same limits',
    )
    say('and with the same receipt as any other rollout.')
    const expected = { kind: 'rollback', from: 2, to: 1, endState: 'all-new', available: 3, cause: null } as const
    await this.#rollout('rollback to v1', ['rollback'], { exit: 0, ...expected })
  }

  async #killedServer(): Promise<void> {
    const { chapter, say } = this.#words
    chapter('The server is killed in the middle of a rollout')
    say(
      'v4 asks that each replica be ready for a second before it counts (minReadySeconds: 1). When the first one has taken',
    )
    say(
      'traffic, the server gets SIGKILL: nobody leads the rollout any more. Replicas and router do not need the server.',
    )
    await this.#commit('v4: take your time', [
      version('v3', 'v4'),
      { file: 'server.mjs', from: /const port = \d+/, to: 'const port = Number(process.env.PORT ?? 8080)' },
      { file: 'naru.yaml', from: /^rollout:$/m, to: 'rollout:\n  minReadySeconds: 1' },
    ])
    const expected = { kind: 'deploy', from: 1, to: 4, endState: 'all-new', available: 3, cause: null } as const
    const killing: Promise<unknown>[] = []
    const watch = (line: string) => {
      // Whatever fails meanwhile is thrown when the command has ended.
      if (killing.length === 0 && isAdmission(line)) killing.push(this.#killAndRestart().catch((failed) => failed))
    }
    await this.#rollout('deploy v4, server killed', ['deploy'], { exit: 0, ...expected }, watch)
    this.#check(
      'the server was killed in the middle',
      killing.length === 1,
      `${killing.length} kills, at the first admission`,
    )
    for (const failed of await Promise.all(killing)) if (failed !== undefined) throw failed
  }

  async #killAndRestart(): Promise<void> {
    const { say } = this.#words
    const { pid } = this.#server
    await this.#server.kill()
    const url = `http://127.0.0.1:${this.#where.routePort}/`
    const answers = await askMany(url, ASKED_WITHOUT_SERVER, this.#signal)
    say(`The server (pid ${pid}) is dead. ${ASKED_WITHOUT_SERVER} requests without it: ${answersText(answers)}`)
    const from = (revision: number) => [...answers.keys()].some((text) => text.includes(`(revision ${revision})`))
    this.#check('without a server both revisions answer, and nothing else', from(1) && from(4) && answers.size === 2, [
      ...answers,
    ])
    say(
      'Its successor finds what runs, reads what is remembered, and goes on. The waiting command never noticed more than',
    )
    say('silence.')
    await this.#server.start()
  }

  async #receipts(): Promise<void> {
    const { chapter, say } = this.#words
    chapter('The receipts')
    const load = await this.#client?.stop()
    if (load === undefined) throw new Error('there is no load client')
    this.load = load
    this.checks.push(...checkLoad(load))
    await this.#naru.run(['history'])
    this.#narrator.table(['', ...receiptTable(this.rows), ''])
    say(
      `The load client: ${load.sent} sent, ${load.answered} answered, ${load.lost} lost; the slowest took ${load.slowestMs} ms.`,
    )
    for (const [text, count] of Object.entries(load.bodies)) say(`  ${count} × ${text}`)
  }

  async #rollout(
    name: string,
    args: readonly string[],
    expected: Expected,
    onLine: (line: string) => void = () => {},
  ): Promise<void> {
    const exit = await this.#naru.run(args, onLine)
    const receipt = await this.#naru.ask<Receipt>(['history', '--receipt'])
    this.rows.push(receiptRow(name, receipt))
    this.checks.push(...checkRollout(name, exit, receipt, expected))
    // Without the first release there is nothing to show; everything else is told at the end.
    if (expected.from === null) this.#mustBe(exit, 0, `naru ${args.join(' ')}`)
  }

  async #commit(subject: string, edits: Parameters<Repository['commit']>[1] = []): Promise<void> {
    this.#narrator.command(['git', 'commit', '-am', subject])
    await this.#repository.commit(subject, edits)
  }

  get #words() {
    const narrator = this.#narrator
    return { chapter: (title: string) => narrator.chapter(title), say: (text: string) => narrator.say(text) }
  }

  #check(what: string, held: boolean, found: unknown): void {
    this.checks.push({ what, held, found: typeof found === 'string' ? found : JSON.stringify(found) })
  }

  #mustBe(exit: number, wanted: number, command: string): void {
    if (exit !== wanted) throw new Error(`${command} ended with ${exit}, not ${wanted}`)
  }
}

const version = (from: string, to: string) => ({ file: 'server.mjs', from: new RegExp(`'${from}'`), to: `'${to}'` })

/** Progress of `naru deploy`: text (`  admit web-4-1: …`), or an event of its JSON. */
const isAdmission = (line: string): boolean =>
  line.startsWith('{') ? /"kind":"step".*"kind":"admit"/.test(line) : /^\s*admit /.test(line)

const answersText = (answers: ReadonlyMap<string, number>): string =>
  [...answers].map(([text, count]) => `${count} × "${text}"`).join(', ')
