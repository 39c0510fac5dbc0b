import { writeSync } from 'node:fs'

/**
 * Writes a line to standard error, for processes whose log that is. On a full disk the line is lost: a stream would end the
 * process, or write nothing any more once there is room again.
 */
export function logLine(text: string): void {
  try {
    writeSync(2, `${text}\n`)
  } catch {
    // Nothing is left to tell it to.
  }
}
