/** The checks of names: one tree, right kinds and link counts, /lost+found as it should be. Only check.ts calls. */
import type { Check } from './check.ts'
import { LOST_AND_FOUND_INODE, ROOT_INODE } from './metadata.ts'
import { LOST_AND_FOUND_NAME } from './schema.ts'

export const DIRECTORY_CHECKS: readonly Check[] = [
  {
    code: 'root',
    sql: `SELECT 'inode ${ROOT_INODE} is not a directory' AS message
          WHERE NOT EXISTS (SELECT 1 FROM inodes WHERE ino = ${ROOT_INODE} AND kind = 'directory')
          UNION ALL
          SELECT 'the root has a name, ' || name FROM dentries WHERE ino = ${ROOT_INODE}`,
  },
  {
    code: 'lost-and-found-directory',
    sql: `SELECT 'inode ${LOST_AND_FOUND_INODE} is not the directory /${LOST_AND_FOUND_NAME}' AS message
          WHERE NOT EXISTS (
            SELECT 1 FROM inodes i JOIN dentries d ON d.ino = i.ino
            WHERE i.ino = ${LOST_AND_FOUND_INODE} AND i.kind = 'directory'
              AND d.parent = ${ROOT_INODE} AND d.name = '${LOST_AND_FOUND_NAME}')`,
  },
  {
    code: 'parent-not-directory',
    sql: `SELECT 'inode ' || i.ino || ' has entries and is a ' || i.kind AS message FROM inodes i
          WHERE i.kind <> 'directory' AND EXISTS (SELECT 1 FROM dentries WHERE parent = i.ino)`,
  },
  {
    code: 'directory-names',
    sql: `SELECT 'directory ' || ino || ' has ' || n || ' names' AS message
          FROM (SELECT i.ino, (SELECT count(*) FROM dentries d WHERE d.ino = i.ino) AS n FROM inodes i
                WHERE i.kind = 'directory' AND i.ino <> ${ROOT_INODE})
          WHERE n <> 1`,
  },
  {
    // UNION, not UNION ALL: ends in a circle too.
    code: 'directory-unreachable',
    sql: `WITH RECURSIVE reached (ino) AS (
            VALUES (${ROOT_INODE})
            UNION
            SELECT d.ino FROM reached r JOIN dentries d ON d.parent = r.ino JOIN inodes i ON i.ino = d.ino
            WHERE i.kind = 'directory')
          SELECT 'directory ' || ino || ' cannot be reached from the root' AS message FROM inodes
          WHERE kind = 'directory' AND ino NOT IN reached`,
  },
  {
    code: 'file-links',
    sql: `SELECT kind || ' ' || ino || ' says ' || nlink || ' names and has ' || n AS message
          FROM (SELECT ino, kind, nlink, (SELECT count(*) FROM dentries d WHERE d.ino = i.ino) AS n FROM inodes i
                WHERE kind <> 'directory')
          WHERE nlink <> n OR (n = 0 AND kind <> 'file')`,
  },
  {
    code: 'dentry-kind',
    sql: `SELECT 'the name ' || d.name || ' in directory ' || d.parent || ' says ' || d.kind || ' and names a ' || i.kind
            AS message
          FROM dentries d JOIN inodes i ON i.ino = d.ino WHERE d.kind <> i.kind`,
  },
  {
    code: 'directory-links',
    sql: `SELECT 'directory ' || ino || ' says ' || nlink || ' links and has ' || n AS message
          FROM (SELECT ino, nlink, 2 + (SELECT count(*) FROM dentries d JOIN inodes c ON c.ino = d.ino
                                        WHERE d.parent = i.ino AND c.kind = 'directory') AS n
                FROM inodes i WHERE kind = 'directory')
          WHERE nlink <> n`,
  },
  {
    code: 'lost-and-found-entry',
    sql: `SELECT 'inode ' || l.ino || ' should be a file of /lost+found and nowhere else' AS message FROM lost_and_found l
          WHERE (SELECT group_concat(parent) FROM dentries d WHERE d.ino = l.ino) IS NOT '${LOST_AND_FOUND_INODE}'
             OR NOT EXISTS (SELECT 1 FROM inodes i WHERE i.ino = l.ino AND i.kind = 'file')`,
  },
]
