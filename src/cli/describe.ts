import type { Command } from 'commander'
import type { Session } from './session.ts'

/** What a command does. Answers its exit code; nothing is 0. */
export type Work = (session: Session) => Promise<number | undefined> | Promise<void>

/** Runs a command's work with a session made of the shared options. */
export type Start = (command: Command, work: Work) => Promise<void>

/** Adds arguments, options, examples and the action to a command whose name and summary are there. */
export type Describe = (command: Command, start: Start) => void
