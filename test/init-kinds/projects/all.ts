import type { Project } from '../project.ts'
import { GO_PROJECTS } from './go.ts'
import { JAVA_PROJECTS } from './java.ts'
import { NODE_PROJECTS } from './node.ts'
import { PYTHON_PROJECTS } from './python.ts'
import { STATIC_PROJECTS } from './static.ts'

export const PROJECTS: readonly Project[] = [
  ...NODE_PROJECTS,
  ...GO_PROJECTS,
  ...PYTHON_PROJECTS,
  ...STATIC_PROJECTS,
  ...JAVA_PROJECTS,
]
