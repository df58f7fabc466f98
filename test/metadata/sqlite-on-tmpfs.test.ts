import { metadataConformance } from './conformance.ts'
import { sqliteIn } from './subject.ts'

metadataConformance('SQLite on tmpfs', sqliteIn('/dev/shm'))
