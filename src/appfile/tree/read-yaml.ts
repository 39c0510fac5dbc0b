import { Lexer, LineCounter, parseDocument } from 'yaml'
import { DeployError } from '../../model/failure.ts'
import { type Problem, refuseProblems } from '../problem.ts'
import { growTree } from './grow-tree.ts'
import { emptyMap, type MapNode, type Place } from './placed-tree.ts'

const MAX_BYTES = 1024 * 1024
/** A commented file of 800 lines has some 9,000, a real one a tenth. The library needs some 4 µs for each: less than 50 ms of the event loop (A8). */
const MAX_TOKENS = 9_000
const MAX_DEPTH = 40
const MAX_TEXT = 64 * 1024

/**
 * Reads YAML 1.2 into a placed tree whose top is a map; an empty file is an empty map.
 * Bounded before anything is expanded: size, tokens, depth, and what aliases may grow to (A8).
 * Throws APPFILE_SYNTAX (broken text, duplicate keys, keys such as `__proto__`) and APPFILE_TOO_LARGE.
 */
export function readYaml(text: string, file: string): MapNode {
  refuseTooLarge(text, file)
  const lines = new LineCounter()
  // uniqueKeys compares every pair of keys and merge keys grow quadratically: growTree does both within its limits.
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: false,
    merge: false,
    prettyErrors: false,
    version: '1.2',
  })
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset)
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const problems = [...document.errors, ...document.warnings].map((error) => syntaxProblem(error, placeAt))
  refuseProblems(problems.slice(0, 5), 'APPFILE_SYNTAX')
  if (document.contents === null) return emptyMap({ file, line: 1, column: 1 })
  const root = growTree(document.contents, { placeAt, maxDepth: MAX_DEPTH })
  if (root.kind === 'map') return root
  if (root.kind === 'scalar' && root.value === null) return emptyMap(root.place)
  throw new DeployError(
    'APPFILE_SYNTAX',
    `${file}:${root.place.line}:${root.place.column}: expected keys, got a ${root.kind}`,
    {
      hint: 'Begin the file with a key, such as `app: shop`.',
      detail: { ...root.place },
    },
  )
}

function syntaxProblem(
  error: { readonly code: string; readonly message: string; readonly pos: readonly [number, number] },
  placeAt: (offset: number) => Place,
): Problem {
  const deep = /call stack/i.test(error.message)
  const first = error.message.split('\n')[0] ?? ''
  return {
    place: placeAt(error.pos[0]),
    message: deep ? `nested more than ${MAX_DEPTH} levels deep` : first,
    hint:
      SYNTAX_HINTS[error.code] ?? 'Correct the YAML at this place: indentation by spaces, `key: value`, quotes closed.',
  }
}

const SYNTAX_HINTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'Indent with spaces; YAML allows no tabs there.',
  MULTIPLE_DOCS: 'Keep one app per file, without a line `---` in its middle.',
  MISSING_CHAR: 'Close the quote or bracket, or add the missing comma or space.',
  TAG_RESOLVE_FAILED: 'Remove the tag: naru.yaml takes plain YAML only.',
  BLOCK_AS_IMPLICIT_KEY: 'Put the value in quotes, or begin the nested keys on a line of their own.',
}

function refuseTooLarge(text: string, file: string): void {
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_BYTES) throw tooLarge(`${file} has ${bytes} bytes; at most ${MAX_BYTES} are read`, { bytes })
  let tokens = 0
  let depth = 0
  for (const token of new Lexer().lex(text)) {
    tokens += 1
    if (token === '[' || token === '{') depth += 1
    if (token === ']' || token === '}') depth -= 1
    if (token.length > MAX_TEXT)
      throw tooLarge(`${file} has a text of ${token.length} characters; at most ${MAX_TEXT} are read`, {
        characters: token.length,
      })
    if (tokens > MAX_TOKENS) throw tooLarge(`${file} has more than ${MAX_TOKENS} parts`, { tokens: MAX_TOKENS })
    if (depth > MAX_DEPTH)
      throw tooLarge(`${file} nests brackets more than ${MAX_DEPTH} levels deep`, { depth: MAX_DEPTH })
  }
}

/** The file is more than Naru is ready to read. */
function tooLarge(message: string, detail: Readonly<Record<string, number>>): DeployError {
  return new DeployError('APPFILE_TOO_LARGE', message, {
    hint: 'Keep settings in naru.yaml and content in files of the image.',
    detail,
  })
}
