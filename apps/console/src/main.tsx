import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { applyTheme, storedTheme } from './ui/theme.js';
import './styles/console.css';

applyTheme(storedTheme());
createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>);
