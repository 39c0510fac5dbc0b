import { describeEngine } from '../engine.contract.ts'
import { embeddedUnderTest } from './testing.ts'

describeEngine('embedded (programs of the host)', embeddedUnderTest)
