/** The JSON API of a pool. */
export { apiRoutes } from './routes.ts'
