import { describeContentStore } from '../content-store.contract.ts'
import { aDiskStore } from '../testing.ts'

describeContentStore('the store on disk', aDiskStore)
