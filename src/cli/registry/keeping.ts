import { type Command, InvalidArgumentError, Option } from 'commander'
import { DeployError } from '../../model/failure.ts'
import type { KeepingReport, KeepingRequest, RetentionRule } from '../../model/registry-keeping.ts'
import { wrongPattern } from '../../model/registry-right.ts'
import type { Start } from '../describe.ts'
import { examples } from '../help.ts'
import { memoryBytes } from '../numbers.ts'
import type { Session } from '../session.ts'
import { share } from '../shared-options.ts'
import { bytesText, countText, shortDigest } from '../show/quantities.ts'
import { timeOf } from './time-of.ts'

interface CollectOptions {
  readonly dryRun?: true
  readonly grace: number
  readonly repository?: string
  readonly tag?: readonly string[]
  readonly protect?: readonly string[]
  readonly keepLast?: number
  readonly olderThan?: number
}

/** `naru registry gc`. */
export function describeCollect(command: Command, start: Start): void {
  command
    .summary('free what no tag or release needs')
    .description(
      'Free what no tag or release needs, while the registry serves: pushes, pulls and uploads in progress go on. With a rule, tags go first.',
    )
    .option('--dry-run', 'tell what would go; delete nothing')
    .addOption(
      new Option('--grace <time>', 'what was pushed, pulled or asked for within this time stays: 30m, 2h, 7d')
        .argParser(graceOf)
        .default(HOUR_MS, '1h'),
    )
    .option('--keep-last <number>', 'tags go but for so many of each repository: those that were set last', numberOf)
    .option('--older-than <time>', 'tags go that were set before: 12h, 30d', timeOf)
    .option('--tag <patterns...>', 'the rule is about these tags only: "pr-*"', tagPatterns)
    .option('--repository <pattern>', 'the rule is about these repositories only: "team/**"', repositoryPattern)
    .option('--protect <patterns...>', 'tags that stay whatever else is said: "v*" latest', tagPatterns)
  share(command, ['data', 'output', 'quiet', 'timeout'])
  command.action((options: CollectOptions) => start(command, (session) => collect(session, options)))
  examples(command, [
    ['naru registry gc', 'what no tag leads to'],
    ['naru registry gc --keep-last 10 --protect "v*" latest --dry-run', 'which tags would go'],
    ['naru registry gc --tag "pr-*" --older-than 14d', 'images of merge requests, after two weeks'],
  ])
}

/** `naru registry scrub`. */
export function describeScrub(command: Command, start: Start): void {
  command
    .summary('read everything, set damage aside, fetch it again')
    .description(
      'Read everything that the registry has and compare it with its digest, while it serves. What is damaged is set aside and fetched again where another registry has it.',
    )
    .option('--rate <bytes>', 'read at most so much in a second: 20Mi', memoryBytes)
    .option('--from <registry>', 'another registry with the same repositories: registry.example.com')
  share(command, ['data', 'output', 'quiet', 'timeout'])
  command.action((options: { readonly rate?: number; readonly from?: string }) =>
    start(command, (session) => scrub(session, options.rate ?? null, options.from ?? null)),
  )
  examples(command, [
    ['naru registry scrub --rate 50Mi', 'beside other work of the disk'],
    ['naru registry scrub --from registry2.example.com', 'damage is fetched from there'],
  ])
}

async function collect(session: Session, options: CollectOptions): Promise<void> {
  const { output } = session
  const { dryRun = false, grace: graceMs } = options
  const report = await keep(session, { kind: 'collect', dryRun, graceMs, retention: ruleOf(options) })
  if (report.kind !== 'collected' || output.json) return
  for (const line of collectedLines(report)) output.data(line)
  for (const line of sparedLines(report)) output.tell(line)
}

type Report<K extends KeepingReport['kind']> = Extract<KeepingReport, { readonly kind: K }>

/** Tags that went, and how much. */
export function collectedLines({ dryRun, tags, manifests, blobs, bytes }: Report<'collected'>): readonly string[] {
  const parts = [`${countText(tags.length)} tags`, `${countText(manifests)} manifests`, `${countText(blobs)} blobs`]
  return [
    ...tags.map(({ repository, tag, cause }) => `${repository}:${tag}  ${cause}`),
    `${parts.join(', ')}, ${bytesText(bytes)} ${dryRun ? 'would go' : 'freed'}`,
  ]
}

/** Of which repositories nothing went. */
export const sparedLines = ({ spared }: Report<'collected'>): readonly string[] =>
  spared.map(({ repository, broken }) => {
    return `note: ${repository} stays whole: ${broken} is damaged or lost. Push it again, or delete it.`
  })

/** What is damaged, and how much was read. */
export function scrubbedLines({ blobs, bytes, damaged }: Report<'scrubbed'>): readonly string[] {
  const lines = damaged.map(({ digest, repositories, fetchedFrom }) => {
    const where = repositories.length === 0 ? 'no repository has it' : `in ${repositories.join(', ')}`
    return `damaged: ${digest}  ${where}  ${fetchedFrom === null ? 'lost' : `fetched from ${fetchedFrom}`}`
  })
  return [...lines, `${countText(blobs)} blobs, ${bytesText(bytes)} read, ${countText(damaged.length)} damaged`]
}

async function scrub(session: Session, bytesPerSecond: number | null, from: string | null): Promise<void> {
  const { output } = session
  const report = await keep(session, { kind: 'scrub', bytesPerSecond, from })
  if (report.kind !== 'scrubbed') return
  if (!output.json) for (const line of scrubbedLines(report)) output.data(line)
  const lost = report.damaged.filter(({ repositories, fetchedFrom }) => repositories.length > 0 && fetchedFrom === null)
  const [first] = lost
  if (first === undefined) return
  throw new DeployError('STORE_CORRUPT', `${lost.length} damaged blobs are lost, first ${shortDigest(first.digest)}`, {
    hint: 'They were set aside and are answered 404: push their images again, or give a registry that has them with --from. Check the disk.',
    detail: { lost: lost.length },
  })
}

/** Tells how far it is, and answers the last report. */
async function keep({ host, options, output, signal }: Session, request: KeepingRequest): Promise<KeepingReport> {
  let last: KeepingReport | null = null
  for await (const report of host.keepRegistry(host.dataFolder(options.data), request, signal)) {
    last = report
    if (output.json) output.object(report)
    else if (report.kind === 'progress') {
      const { blobs, ofBlobs, bytes, damaged } = report
      output.tell(
        `${countText(blobs)} of ${countText(ofBlobs)} blobs, ${bytesText(bytes)}, ${countText(damaged)} damaged`,
      )
    }
  }
  if (last === null) throw new Error('keeping ended without a report')
  return last
}

/** null: no option is about tags. A rule that would take every tag there is has to say so by a pattern. */
function ruleOf({ repository, tag, protect, keepLast, olderThan }: CollectOptions): RetentionRule | null {
  if (keepLast === undefined && olderThan === undefined && tag === undefined) {
    if (repository === undefined && protect === undefined) return null
    throw new DeployError('USAGE_INVALID', 'the rule does not say which tags go', {
      hint: 'Add --keep-last NUMBER, --older-than TIME or --tag PATTERN.',
    })
  }
  return {
    repositories: repository ?? '**',
    tags: tag ?? [],
    protect: protect ?? [],
    keepLast: keepLast ?? null,
    olderThanMs: olderThan ?? null,
  }
}

const HOUR_MS = 3_600_000
const SHORTEST_GRACE_MS = 60_000

/** Less would take what a push has just brought away from under it. */
function graceOf(text: string): number {
  const ms = timeOf(text)
  if (ms >= SHORTEST_GRACE_MS) return ms
  throw new InvalidArgumentError('Write 1m or more: pushes in progress need it.')
}

/** What matches nothing that there can be was mistyped. */
function repositoryPattern(text: string): string {
  const why = wrongPattern(text)
  if (why === null) return text
  throw new InvalidArgumentError(`It matches nothing: ${why}. Write team/shop, team/* or team/**.`)
}

function tagPatterns(text: string, before: readonly string[] = []): readonly string[] {
  if (/^[\w*][\w.*-]{0,127}$/.test(text)) return [...before, text]
  throw new InvalidArgumentError('It matches no tag. Write a tag, * standing for any characters: pr-*.')
}

function numberOf(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Write a number of tags.')
}
