import { DeployError, type FailureCode } from '../../model/failure.ts'

/** Where something stands in a Dockerfile. Lines and columns count from 1; columns count UTF-16 units. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** `Dockerfile:3:1`, as editors and terminals open it. */
export const formatPlace = ({ file, line, column }: Place): string => `${file}:${line}:${column}`

/** A failure with its place in the message and, for machines, in the detail. */
export function failureAt(code: FailureCode, place: Place, message: string, hint: string): DeployError {
  return new DeployError(code, `${formatPlace(place)}: ${message}`, {
    hint,
    detail: { file: place.file, line: place.line, column: place.column },
  })
}

/** DOCKERFILE_SYNTAX at a place. */
export const syntaxError = (place: Place, message: string, hint: string): DeployError =>
  failureAt('DOCKERFILE_SYNTAX', place, message, hint)

/** DOCKERFILE_NOT_SUPPORTED at a place. */
export const notSupported = (place: Place, message: string, hint: string): DeployError =>
  failureAt('DOCKERFILE_NOT_SUPPORTED', place, message, hint)
