/** The JSON API of a pool. */
export { apiRoutes, type ApiOptions } from './routes.ts'
