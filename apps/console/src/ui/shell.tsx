import { useEffect, useState, type ReactNode } from 'react';
import { Button as AriaButton, Dialog, Menu, MenuItem, MenuTrigger, Modal, ModalOverlay, Popover } from 'react-aria-components';
import { Link, useLocation } from 'wouter';
import { useApi, WorkspaceContext } from '../api/hooks.js';
import { RoleContext, useSession, useSignOut } from '../api/session.js';
import icon from '../icon.svg';
import { t } from '../messages.js';
import { Icon, type IconName } from './icons.js';
import { chooseTheme, storedTheme, type Theme } from './theme.js';

type Place = { to: string; icon: IconName; label: string };
const GROUPS: { label: string | null; places: Place[] }[] = [
  { label: null, places: [{ to: '/', icon: 'overview', label: t.nav.overview }, { to: '/notifications', icon: 'notifications', label: t.nav.notifications }] },
  {
    label: t.nav.build,
    places: [
      { to: '/triggers', icon: 'triggers', label: t.nav.triggers },
      { to: '/runnables', icon: 'runnables', label: t.nav.runnables },
      { to: '/connections', icon: 'connections', label: t.nav.connections },
      { to: '/integrations', icon: 'integrations', label: t.nav.integrations },
      { to: '/services', icon: 'services', label: t.nav.services },
    ],
  },
  {
    label: t.nav.watch,
    places: [
      { to: '/runs', icon: 'runs', label: t.nav.runs },
      { to: '/events', icon: 'events', label: t.nav.events },
      { to: '/deliveries', icon: 'deliveries', label: t.nav.deliveries },
    ],
  },
  { label: t.nav.manage, places: [{ to: '/settings', icon: 'settings', label: t.nav.settings }] },
];

/** The frame around every page of a workspace: where one can go, who one is, and which workspace it is. */
export function Shell({ workspace, children }: { workspace: string; children: ReactNode }) {
  const session = useSession();
  const [location] = useLocation();
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [location]);
  const membership = session.data?.memberships.find((one) => one.workspace === workspace);
  const role = session.data?.user.superadmin ? 'superadmin' : (membership?.role ?? 'operator');
  return (
    <WorkspaceContext value={workspace}>
      <RoleContext value={role}>
        <a className="skip" href="#content">{t.nav.skip}</a>
        <div className="frame">
          <Side workspace={workspace} />
          <div className="top">
            <Brand />
            <AriaButton className="button button-quiet" aria-label={t.nav.menu} onPress={() => setOpen(true)}><Icon name="menu" /></AriaButton>
          </div>
          <main className="main" id="content" tabIndex={-1}>{children}</main>
        </div>
        <ModalOverlay isOpen={open} onOpenChange={setOpen} isDismissable className="overlay">
          <Modal className="drawer"><Dialog aria-label={t.nav.menu}><Side workspace={workspace} /></Dialog></Modal>
        </ModalOverlay>
      </RoleContext>
    </WorkspaceContext>
  );
}

const Brand = () => <Link href="/" className="brand"><img src={icon} alt="" />{t.brand}</Link>;

function Side({ workspace }: { workspace: string }) {
  const [location] = useLocation();
  const current = (to: string): boolean => (to === '/' ? location === '/' : location === to || location.startsWith(`${to}/`));
  return (
    <div className="side">
      <Brand />
      <WorkspaceMenu workspace={workspace} />
      <nav aria-label={t.nav.main}>
        {GROUPS.map(({ label, places }) => (
          <div key={label ?? ''}>
            {label ? <div className="nav-group">{label}</div> : null}
            {places.map((place) => (
              <Link key={place.to} href={place.to} className="nav-link" aria-current={current(place.to) ? 'page' : undefined}><Icon name={place.icon} />{place.label}</Link>
            ))}
          </div>
        ))}
      </nav>
      <div className="side-foot"><ThemeChoice /><PersonMenu /></div>
    </div>
  );
}

function WorkspaceMenu({ workspace }: { workspace: string }) {
  const list = useApi('listWorkspaces', { limit: 200 }, { live: false });
  const items = list.data?.items ?? [];
  const name = items.find(({ id }) => id === workspace)?.name ?? t.nav.workspace;
  return (
    <MenuTrigger>
      <AriaButton className="button" aria-label={t.nav.workspaceNamed(name)}>{name}<span aria-hidden="true">▾</span></AriaButton>
      <Popover className="popover">
        <Menu className="menu" onAction={(id) => window.location.assign(id === 'new' ? '/?new' : `/w/${String(id)}`)}>
          {items.map(({ id, name: label }) => <MenuItem key={id} id={id} className="menu-item">{label}</MenuItem>)}
          <MenuItem id="new" className="menu-item">{t.nav.allWorkspaces}</MenuItem>
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}

function ThemeChoice() {
  const [theme, setTheme] = useState<Theme>(storedTheme);
  return (
    <label className="theme">
      <Icon name="theme" />
      <span className="visually-hidden">{t.nav.theme}</span>
      <select className="input" value={theme} onChange={(event) => { const next = event.target.value as Theme; chooseTheme(next); setTheme(next); }}>
        <option value="system">{t.nav.themeSystem}</option>
        <option value="light">{t.nav.themeLight}</option>
        <option value="dark">{t.nav.themeDark}</option>
      </select>
    </label>
  );
}

function PersonMenu() {
  const session = useSession();
  const signOut = useSignOut();
  const [, navigate] = useLocation();
  return (
    <MenuTrigger>
      <AriaButton className="button button-quiet"><Icon name="person" />{session.data?.user.name}</AriaButton>
      <Popover className="popover">
        <Menu className="menu" onAction={(id) => (id === 'out' ? void signOut() : navigate('/settings/account'))}>
          <MenuItem id="account" className="menu-item">{t.nav.account}</MenuItem>
          <MenuItem id="out" className="menu-item">{t.nav.signOut}</MenuItem>
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
