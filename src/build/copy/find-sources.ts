import { isPattern, matchPaths } from '../context/match-paths.ts'
import { failureAt, formatPlace, type Place } from '../dockerfile/place.ts'
import { DeployError } from '../../model/failure.ts'
import type { Files } from '../image/file-entry.ts'
import { nameOf } from '../image/file-tree.ts'
import { resolvePath } from '../image/resolve-path.ts'

/** One source of a COPY or ADD. */
export interface CopySource {
  readonly from: { readonly files: Files; readonly name: string }
  /** As it stands in the instruction, words expanded. */
  readonly path: string
  /** The path is no pattern: it was not written by the user. */
  readonly literal: boolean
}

export interface Found {
  readonly files: Files
  /** The real path in the source's tree. */
  readonly path: string
  /** The name it gets in a folder: as written, before links were followed. */
  readonly name: string
}

/** How messages name the build context among the sources of a COPY. */
export const CONTEXT = 'the build context'

/** The files that a source means: itself, or what its pattern matches, which may be nothing (BuildKit's rule). */
export function findSources(source: CopySource, place: Place): readonly Found[] {
  const clean = insideOf(source, place)
  if (source.literal || !isPattern(clean)) return [findOne(source, clean, place)]
  return matched(source, clean, place).map((path) => findOne(source, path, place))
}

/** The path of a source without slashes in front. Throws BUILD_PATH_ESCAPES when it leads above its root. */
export function insideOf(source: CopySource, place: Place): string {
  const clean = source.path.replace(/^\/+/, '')
  let depth = 0
  for (const part of clean.split('/')) {
    depth += part === '..' ? -1 : part === '' || part === '.' ? 0 : 1
    if (depth < 0) throw escapes(source, source.path, place)
  }
  return clean
}

function matched({ from }: CopySource, pattern: string, place: Place): readonly string[] {
  try {
    return matchPaths(from.files, pattern)
  } catch (failed) {
    if (failed instanceof SyntaxError) throw invalid(place, `${pattern} is no pattern`)
    throw failed
  }
}

export function findOne(source: CopySource, path: string, place: Place): Found {
  const { files, name } = source.from
  const real = resolvePath(files, path)
  if (real === null) throw invalid(place, `${path} is a loop of links`)
  // A link that points out of the context goes on at its root (BuildKit's rule). Where nothing is there, the link is the mistake.
  if (files.at(real.path) === null)
    throw real.escaped && name === CONTEXT ? escapes(source, path, place) : sourceMissing(source, path, place)
  return { files, path: real.path, name: nameOf(path.replace(/\/+$/, '')) }
}

function escapes({ from }: CopySource, path: string, place: Place): DeployError {
  const hint = 'Only files below the build context can be copied; a larger context is set by build.context.'
  return failureAt('BUILD_PATH_ESCAPES', place, `${path} leads out of ${from.name}`, hint)
}

function sourceMissing({ from }: CopySource, path: string, place: Place): DeployError {
  const hint =
    from.name === CONTEXT
      ? 'Only committed files are built: is it committed, and not left out by .dockerignore? Paths start at build.context.'
      : `Look at the COPY instructions of ${from.name}.`
  return new DeployError('BUILD_COPY_SOURCE_MISSING', `${formatPlace(place)}: ${path} is not there in ${from.name}`, {
    hint,
    detail: { file: place.file, line: place.line, column: place.column, source: path },
  })
}

export function invalid(place: Place, message: string): DeployError {
  return failureAt('BUILD_SOURCE_INVALID', place, message, 'Change the source or the destination of this instruction.')
}
