import { mountedSubject } from '../posix/mounted-subject.ts'
import { programsSuite } from './suite.ts'

programsSuite('a mounted pool with cache=auto', () => mountedSubject({ cache: 'auto' }))
