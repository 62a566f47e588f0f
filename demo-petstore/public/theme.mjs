// Light, dark, or as the system has it.
const ORDER = ['system', 'light', 'dark'];

export const storedTheme = () => (ORDER.includes(localStorage.getItem('theme')) ? localStorage.getItem('theme') : 'system');
export const nextTheme = (theme) => {
  const dark = theme === 'dark' || (theme === 'system' && matchMedia('(prefers-color-scheme: dark)').matches);
  return dark ? 'light' : 'dark';
};

export function applyTheme(theme) {
  localStorage.setItem('theme', theme);
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
