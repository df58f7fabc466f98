import { mountedSubject } from './mounted-subject.ts'
import { posixSuite } from './suite.ts'

posixSuite('a mounted pool with cache=auto', () => mountedSubject({ cache: 'auto' }))
