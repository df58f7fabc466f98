/** The checks of single inodes: each kind has what it should have and no more. Only check.ts calls. */
import type { Check } from './check.ts'
import { XATTR_LIST_MAX } from './metadata.ts'

export const INODE_CHECKS: readonly Check[] = [
  {
    code: 'properties',
    sql: `SELECT 'the table ' || name || ' has ' || n || ' rows' AS message
          FROM (SELECT 'pool' AS name, (SELECT count(*) FROM pool) AS n
                UNION ALL SELECT 'space', (SELECT count(*) FROM space))
          WHERE n <> 1
          UNION ALL
          SELECT 'the uuid of the pool is ' || uuid FROM pool WHERE uuid GLOB '*[^0-9a-f-]*'`,
  },
  {
    code: 'last-inode',
    sql: `SELECT 'inode ' || max(ino) || ' has a number that is not given yet' AS message FROM inodes
          HAVING max(ino) > (SELECT last_inode FROM space)`,
  },
  {
    code: 'inode-size',
    sql: `SELECT 'inode ' || ino || ' has the size ' || size AS message FROM inodes
          WHERE size NOT BETWEEN 0 AND 9007199254740991`,
  },
  {
    code: 'content',
    sql: `SELECT kind || ' ' || ino || ' has content' AS message FROM inodes
          WHERE kind <> 'file'
            AND ((size <> 0 AND kind <> 'symlink') OR EXISTS (SELECT 1 FROM extents WHERE inode = ino))`,
  },
  {
    code: 'symlink-target',
    sql: `SELECT kind || ' ' || ino || ' has a target of ' || octet_length(coalesce(target, '')) || ' bytes and the size '
            || size AS message
          FROM inodes
          WHERE (kind = 'symlink' AND (target IS NULL OR octet_length(target) NOT BETWEEN 1 AND 4095
                                       OR octet_length(target) <> size))
             OR (kind <> 'symlink' AND target IS NOT NULL)`,
  },
  {
    code: 'device-number',
    sql: `SELECT kind || ' ' || ino || ' has the device number ' || rdev AS message FROM inodes
          WHERE rdev <> 0 AND kind NOT IN ('character', 'block')`,
  },
  {
    code: 'last-name',
    sql: `SELECT 'inode ' || ino || ' has names and a last one, ' || last_name AS message FROM inodes
          WHERE nlink > 0 AND last_name IS NOT NULL`,
  },
  {
    code: 'xattr-list',
    sql: `SELECT 'the attributes of inode ' || ino || ' have names of ' || n || ' bytes' AS message
          FROM (SELECT ino, sum(octet_length(name) + 1) AS n FROM xattrs GROUP BY ino) WHERE n > ${XATTR_LIST_MAX}`,
  },
]
