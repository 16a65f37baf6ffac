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
  ['/start', page(() => import('./pages/start.js'), 'StartPage')],
  ['/services', page(() => import('./pages/services.js'), 'ServicesPage')],
  ['/services/:service', page(() => import('./pages/services.js'), 'ServicePage')],
  ['/integrations', page(() => import('./pages/integrations.js'), 'IntegrationsPage')],
  ['/integrations/new/:service', page(() => import('./pages/integrations.js'), 'NewIntegrationPage')],
  ['/integrations/:integration', page(() => import('./pages/integration.js'), 'IntegrationPage')],
  ['/connections', page(() => import('./pages/connections.js'), 'ConnectionsPage')],
  ['/connections/:connection', page(() => import('./pages/connection.js'), 'ConnectionPage')],
  ['/triggers', page(() => import('./pages/triggers.js'), 'TriggersPage')],
  ['/triggers/new', page(() => import('./pages/trigger-editor.js'), 'NewTriggerPage')],
  ['/triggers/:trigger', page(() => import('./pages/trigger.js'), 'TriggerPage')],
  ['/triggers/:trigger/edit', page(() => import('./pages/trigger-editor.js'), 'EditTriggerPage')],
  ['/deliveries', page(() => import('./pages/deliveries.js'), 'DeliveriesPage')],
  ['/deliveries/:delivery', page(() => import('./pages/deliveries.js'), 'DeliveryPage')],
  ['/events', page(() => import('./pages/events.js'), 'EventsPage')],
  ['/events/:event', page(() => import('./pages/events.js'), 'EventPage')],
  ['/runs', page(() => import('./pages/runs.js'), 'RunsPage')],
  ['/runs/:run', page(() => import('./pages/runs.js'), 'RunPage')],
  ['/runnables', page(() => import('./pages/runnables.js'), 'RunnablesPage')],
  ['/runnables/new', page(() => import('./pages/runnable-editor.js'), 'NewRunnablePage')],
  ['/runnables/:runnable', page(() => import('./pages/runnable-editor.js'), 'RunnablePage')],
  ['/notifications', page(() => import('./pages/notifications.js'), 'NotificationsPage')],
  ['/settings', page(() => import('./pages/settings.js'), 'SettingsPage')],
  ['/settings/:tab', page(() => import('./pages/settings.js'), 'SettingsPage')],
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
