import type { DockerfileCase } from '../dockerfile-case.ts'
import { ADD } from './add.ts'
import { COPY } from './copy.ts'
import { COPY_CORNERS } from './copy-corners.ts'
import { CORNERS } from './corners.ts'
import { IGNORE } from './ignore.ts'
import { MOUNTS } from './mounts.ts'
import { PARSER } from './parser.ts'
import { RUN } from './run.ts'
import { RUN_CORNERS } from './run-corners.ts'
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
  corners: CORNERS,
  'copy corners': COPY_CORNERS,
  'run corners': RUN_CORNERS,
}
