import { render } from 'preact'
import { App } from './app.tsx'
import './style.css'
import { start, told } from './store.ts'

render(<App />, document.querySelector('#app')!)
start().catch(told)
