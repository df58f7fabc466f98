import { tmpdir } from 'node:os'

import { metadataConformance } from './conformance.ts'
import { sqliteIn } from './subject.ts'

metadataConformance('SQLite in the directory for temporary files', sqliteIn(tmpdir()))
