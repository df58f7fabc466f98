/**
 * Where random tests begin: always at the same seed, so that `npm test` judges the change and not the day; with
 * HOLDFAST_RUNS, the long form, at another one each time. HOLDFAST_SEED repeats one.
 */
const { HOLDFAST_RUNS, HOLDFAST_SEED } = process.env

export const SEED = Number(HOLDFAST_SEED ?? (HOLDFAST_RUNS === undefined ? 20_261_128 : Date.now() % 2 ** 31))
