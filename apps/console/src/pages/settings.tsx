import { lazy, Suspense, type ComponentType } from 'react';
import { Link, useParams } from 'wouter';
import { useMay } from '../api/session.js';
import { t } from '../messages.js';
import { Card, Loading, Page } from '../ui/parts.js';
import { AccountTab } from './settings-account.js';
import { MembersTab } from './settings-members.js';
import { ChannelsTab } from './settings-channels.js';
import { RetentionTab } from './settings-retention.js';
import { SecretsTab } from './settings-secrets.js';
import { TokensTab } from './settings-tokens.js';

const AuditTab = lazy(async () => ({ default: (await import('./settings-audit.js')).AuditTab }));
type Tab = keyof typeof t.settings.tabs;
const TABS: Record<Tab, { Tab: ComponentType; needs: 'operator' | 'editor' | 'admin' }> = {
  account: { Tab: AccountTab, needs: 'operator' },
  members: { Tab: MembersTab, needs: 'admin' },
  tokens: { Tab: TokensTab, needs: 'admin' },
  secrets: { Tab: SecretsTab, needs: 'editor' },
  channels: { Tab: ChannelsTab, needs: 'admin' },
  retention: { Tab: RetentionTab, needs: 'operator' },
  audit: { Tab: AuditTab, needs: 'admin' },
};

export function SettingsPage() {
  const { tab = 'account' } = useParams();
  const name = (tab in TABS ? tab : 'account') as Tab;
  const { Tab, needs } = TABS[name];
  const may = useMay(needs);
  return (
    <Page title={t.settings.title}>
      <nav className="tabs" aria-label={t.settings.title}>
        {Object.entries(t.settings.tabs).map(([id, label]) => <Link key={id} href={`/settings/${id}`} aria-current={id === name ? 'page' : undefined}>{label}</Link>)}
      </nav>
      {may ? <Suspense fallback={<Loading />}><Tab /></Suspense> : <Card><p className="muted">{needs === 'admin' ? t.common.forAdmins : t.common.forEditors}</p></Card>}
    </Page>
  );
}
