import type { DockerfileCase } from '../dockerfile-case.ts'
import { ADD } from './add.ts'
import { COPY } from './copy.ts'
import { IGNORE } from './ignore.ts'
import { MOUNTS } from './mounts.ts'
import { PARSER } from './parser.ts'
import { RUN } from './run.ts'
import { SETTINGS } from './settings.ts'
import { STAGES } from './stages.ts'
import { VARIABLES } from './variables.ts'

/** All cases by what they are about. */
export const GROUPS: Readonly<Record<string, readonly DockerfileCase[]>> = {
  parser: PARSER,
  variables: VARIABLES,
  ignore: IGNORE,
  copy: COPY,
  add: ADD,
  settings: SETTINGS,
  run: RUN,
  mounts: MOUNTS,
  stages: STAGES,
}
