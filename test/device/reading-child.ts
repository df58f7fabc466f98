/** Reads a device as who may only read it, says so, and stays. Argument: its path. */
import { ReadOnlyDevice } from '../../src/device/read-only-device.ts'
import { blocks } from './conformance.ts'

const device = new ReadOnlyDevice(process.argv[2], blocks(1024))
device.read(0, 4096)
process.send?.('read')
process.on('disconnect', () => device.close())
