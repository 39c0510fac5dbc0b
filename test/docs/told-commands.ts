import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import ts from 'typescript'

/** A command line that somebody is told to type, and where. */
export interface ToldCommand {
  readonly place: string
  /** What stands behind `naru`. */
  readonly args: readonly string[]
  /** Told to be typed as it is ("…: naru scale N"), not only named. */
  readonly isWhole: boolean
}

type Told = Omit<ToldCommand, 'place'>

/** Words that go on with the sentence, where a command is told within one. */
const PROSE = new Set(
  'and or is are by of to in with without writes makes shows prints asks does says only makes made reads sends wrote would once looks'.split(
    ' ',
  ),
)

/** The commands in one text: `naru` and its arguments, up to what ends a command in a sentence, a shell or a help text. */
export function commandsIn(text: string): Told[] {
  const found: Told[] = []
  for (const line of text.split('\n')) {
    if (/^\s*Usage: /.test(line)) continue
    // "the naru that started it" is the program; "/naru status", "naru-…" and "x.naru" are names.
    for (const { index } of line.matchAll(/(?<![\w./-])(?<!\b(?:the|this|newer|Usage:) )naru(?= [a-z-])/g)) {
      const args = argsOf(line.slice(index + 'naru '.length))
      if (args.length > 0) found.push({ args, isWhole: line.slice(0, index).endsWith(': ') })
    }
  }
  return found
}

/** Up to two spaces, a tab, a shell's operator, a bracket that closes, a quote, or the end of a clause. */
function argsOf(rest: string): string[] {
  const [command = ''] = rest.split(/ {2}|\t| *[`|<;()"'→]| && | > | #|[,:.?!]+(?= |$)| — /)
  const args: string[] = []
  for (const word of command.split(' ')) {
    if (PROSE.has(word)) break
    if (word !== '') args.push(asGiven(word))
  }
  return args
}

/** What a user types in the place of N, [N], FILE, ROLE=N, … */
const asGiven = (word: string): string =>
  word
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^(r-)?N$/, '$11')
    .replace(/=N$/, '=1')
    .replaceAll('…', 'x')

/** Every text that src can tell: string literals and templates, each `${…}` as a 1, or as each text that it can be. */
export async function commandsOfSource(root: string): Promise<ToldCommand[]> {
  const files = (await readdir(join(root, 'src'), { recursive: true })).filter(
    (name) => name.endsWith('.ts') && !/(\.test|\.contract|testing)\.ts$/.test(name),
  )
  const found: ToldCommand[] = []
  for (const name of files.sort()) {
    const path = join('src', name)
    const source = ts.createSourceFile(path, await readFile(join(root, path), 'utf8'), ts.ScriptTarget.Latest)
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node)) {
        const place = `${path}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`
        for (const text of textsOf(node)) found.push(...commandsIn(text).map((told) => ({ place, ...told })))
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return found
}

function textsOf(node: ts.Expression): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text]
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)]
  if (!ts.isTemplateExpression(node)) return ['1']
  return node.templateSpans.reduce(
    (begun, { expression, literal }) =>
      begun.flatMap((text) => textsOf(expression).map((part) => `${text}${part}${literal.text}`)),
    [node.head.text],
  )
}

/** Those of pages: in inline code and blocks of code. */
export async function commandsOfPages(root: string): Promise<ToldCommand[]> {
  const names = (await readdir(join(root, 'docs'), { recursive: true })).filter((name) => name.endsWith('.md'))
  const found: ToldCommand[] = []
  for (const page of ['README.md', ...names.sort().map((name) => join('docs', name))]) {
    const lines = (await readFile(join(root, page), 'utf8')).split('\n')
    let isCode = false
    for (const [at, line] of lines.entries()) {
      if (line.startsWith('```')) isCode = !isCode
      const texts = isCode ? [line] : [...line.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)
      for (const text of texts) found.push(...commandsIn(text).map((told) => ({ place: `${page}:${at + 1}`, ...told })))
    }
  }
  return found
}
