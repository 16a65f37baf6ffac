import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { lazy, Suspense, type ComponentType, type ReactNode } from 'react';
import { I18nProvider, RouterProvider } from 'react-aria-components';
import { Redirect, Route, Switch, useLocation } from 'wouter';
import { useSession } from './api/session.js';
import { t } from './messages.js';
import { JoinPage } from './pages/join.js';
import { ResetPasswordPage } from './pages/reset-password.js';
import { SignInPage } from './pages/sign-in.js';
import { WorkspaceGate } from './pages/workspace-gate.js';
import { Shell } from './ui/shell.js';
import { Empty, Loading, Problem } from './ui/parts.js';

const client = new QueryClient({ defaultOptions: { queries: { staleTime: 1_000 } } });

/** A page that is loaded when it is opened. */
function page<Name extends string>(load: () => Promise<Record<Name, ComponentType>>, name: Name) {
  return lazy(async () => ({ default: (await load())[name] }));
}

const PAGES: [path: string, Component: ComponentType][] = [
  ['/', page(() => import('./pages/overview.js'), 'OverviewPage')],
  ['/services', page(() => import('./pages/services.js'), 'ServicesPage')],
  ['/services/:service', page(() => import('./pages/services.js'), 'ServicePage')],
  ['/triggers', page(() => import('./pages/triggers.js'), 'TriggersPage')],
  ['/deliveries', page(() => import('./pages/deliveries.js'), 'DeliveriesPage')],
  ['/deliveries/:delivery', page(() => import('./pages/deliveries.js'), 'DeliveryPage')],
  ['/events', page(() => import('./pages/events.js'), 'EventsPage')],
  ['/events/:event', page(() => import('./pages/events.js'), 'EventPage')],
  ['/runs', page(() => import('./pages/runs.js'), 'RunsPage')],
  ['/runs/:run', page(() => import('./pages/runs.js'), 'RunPage')],
  ['/notifications', page(() => import('./pages/notifications.js'), 'NotificationsPage')],
];

/** The console: who is not signed in sees the way in, everybody else the pages of one workspace. */
export function App() {
  const [, navigate] = useLocation();
  return (
    <QueryClientProvider client={client}>
      <I18nProvider locale="en">
        <RouterProvider navigate={navigate}><Ways /></RouterProvider>
      </I18nProvider>
    </QueryClientProvider>
  );
}

function Ways() {
  return (
    <Switch>
      <Route path="/sign-in" component={SignInPage} />
      <Route path="/join" component={JoinPage} />
      <Route path="/reset-password" component={ResetPasswordPage} />
      <Route path="/w/:workspace" nest>{({ workspace }) => <SignedIn><Workspace id={workspace} /></SignedIn>}</Route>
      <Route><SignedIn><WorkspaceGate /></SignedIn></Route>
    </Switch>
  );
}

function SignedIn({ children }: { children: ReactNode }) {
  const session = useSession();
  if (session.isPending) return <Loading />;
  if (session.error) return <div className="gate"><Problem error={session.error} /></div>;
  if (session.data === null) return <Redirect to={`~/sign-in?returnTo=${encodeURIComponent(window.location.pathname)}`} />;
  return <>{children}</>;
}

function Workspace({ id }: { id: string }) {
  return (
    <Shell workspace={id}>
      <Suspense fallback={<Loading />}>
        <Switch>
          {PAGES.map(([path, Component]) => <Route key={path} path={path} component={Component} />)}
          <Route><div className="card"><Empty icon="overview" title={t.common.noPage} /></div></Route>
        </Switch>
      </Suspense>
    </Shell>
  );
}
