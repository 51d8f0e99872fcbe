-- A store as the first version (revision 0002) left it while releases waited, in statements that SQLite and PostgreSQL take:
-- a Mini Program whose sheet is in audit, another whose release lost its answer, an approval, a fence that was taken.
-- The key is test_upgrade.KEY.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0002');
CREATE TABLE wxa_credential (
	component_appid VARCHAR(32) NOT NULL, 
	appid VARCHAR(32) NOT NULL, 
	access_token TEXT, 
	access_expires_at FLOAT, 
	access_lifetime FLOAT, 
	renewal TEXT, 
	renewal_at FLOAT, 
	generation INTEGER NOT NULL, 
	lease_owner VARCHAR(40), 
	lease_until FLOAT, 
	state VARCHAR(16) NOT NULL, 
	granted JSON, 
	user_name VARCHAR(64), 
	PRIMARY KEY (component_appid, appid)
);
INSERT INTO wxa_credential (component_appid, appid, access_token, access_expires_at, access_lifetime, renewal, renewal_at, generation, lease_owner, lease_until, state, granted, user_name) VALUES('wx00000000000000c1','',NULL,NULL,NULL,'gAAAAABrB5ZPCBMcBP1VdELXOQLOKA3aFacfq3LxPzbbguDS1c8xySSD8uQQkgsSmmTSGdStGAQQJTxda9od_C3Ve1qFvRuThw==',1795659343.325,0,NULL,NULL,'authorised',NULL,NULL);
INSERT INTO wxa_credential (component_appid, appid, access_token, access_expires_at, access_lifetime, renewal, renewal_at, generation, lease_owner, lease_until, state, granted, user_name) VALUES('wx00000000000000c1','wx0000000000000001','gAAAAABrB5ZPCJtvvpO4qHQnBs87ufZA09e8lZqtpoM9GFa94xYc69Gfengnw4DViwcyiWx6vwGfoSq-6LxUOP2mO4yirrqBjw==',1795666543.344,7200.0,'gAAAAABrB5ZPjtQT0zMtNXyp1AnoD8SfXaBSSLMHaWS9Qxe0uDh44J0Sg5BLwhp_u_H3M2uKDU-_3rdP3YwKiebawZXtHXIlWjomcVAuQKOhmovfHM4oTA0=',1795659343.344,1,NULL,NULL,'authorised',NULL,NULL);
INSERT INTO wxa_credential (component_appid, appid, access_token, access_expires_at, access_lifetime, renewal, renewal_at, generation, lease_owner, lease_until, state, granted, user_name) VALUES('wx00000000000000c1','wx0000000000000002',NULL,NULL,NULL,'gAAAAABrB5ZP5ySkoppDR8qdHTaaHfAiQsZbXCiNkEJkUg13Vs5sdMD5Z-9LVuT1olO32t8NQdrdQTKu-7TA2zJUuqWsEj_a9A==',1795659343.325,0,NULL,NULL,'authorised',NULL,NULL);
CREATE TABLE wxa_fence (
	component_appid VARCHAR(32) NOT NULL, 
	appid VARCHAR(32) NOT NULL, 
	endpoint VARCHAR(64) NOT NULL, 
	attempt VARCHAR(40) NOT NULL, 
	sent INTEGER NOT NULL, 
	PRIMARY KEY (component_appid, appid, endpoint)
);
INSERT INTO wxa_fence (component_appid, appid, endpoint, attempt, sent) VALUES('wx00000000000000c1','wx0000000000000001','undocodeaudit','a3175a8dff584edd94d4c16ece3e0dfb',0);
CREATE TABLE wxa_ledger (
	id INTEGER NOT NULL, 
	component_appid VARCHAR(32) NOT NULL, 
	appid VARCHAR(32) NOT NULL, 
	endpoint VARCHAR(64) NOT NULL, 
	dag_id VARCHAR(250) NOT NULL, 
	run_id VARCHAR(250) NOT NULL, 
	task_id VARCHAR(250) NOT NULL, 
	map_index INTEGER NOT NULL, 
	try_number INTEGER NOT NULL, 
	triggered_by VARCHAR(250) NOT NULL, 
	sent_at FLOAT NOT NULL, 
	"before" JSON, 
	asked JSON NOT NULL, 
	answered_at FLOAT, 
	errcode INTEGER, 
	errmsg TEXT, 
	rid VARCHAR(64), 
	"after" JSON, 
	resolved_by VARCHAR(250), 
	PRIMARY KEY (id)
);
INSERT INTO wxa_ledger (id, component_appid, appid, endpoint, dag_id, run_id, task_id, map_index, try_number, triggered_by, sent_at, "before", asked, answered_at, errcode, errmsg, rid, "after", resolved_by) VALUES(1,'wx00000000000000c1','wx0000000000000001','undocodeaudit','wxa_release','manual__1','submit_audit',-1,1,'lin',1795659343.364,'null','{}',1795659343.376,0,NULL,NULL,NULL,NULL);
INSERT INTO wxa_ledger (id, component_appid, appid, endpoint, dag_id, run_id, task_id, map_index, try_number, triggered_by, sent_at, "before", asked, answered_at, errcode, errmsg, rid, "after", resolved_by) VALUES(2,'wx00000000000000c1','wx0000000000000001','submit_audit','wxa_release','manual__1','submit_audit',-1,1,'lin',1795659343.383,'null','{"privacy_api_not_use": false}',1795659343.391,0,NULL,NULL,'{"outcome": "submitted", "appid": "wx0000000000000001", "auditid": "1234567"}',NULL);
INSERT INTO wxa_ledger (id, component_appid, appid, endpoint, dag_id, run_id, task_id, map_index, try_number, triggered_by, sent_at, "before", asked, answered_at, errcode, errmsg, rid, "after", resolved_by) VALUES(3,'wx00000000000000c1','wx0000000000000002','release','wxa_release','manual__2','release',-1,1,'lin',1795659343.407,'null','{}',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO wxa_ledger (id, component_appid, appid, endpoint, dag_id, run_id, task_id, map_index, try_number, triggered_by, sent_at, "before", asked, answered_at, errcode, errmsg, rid, "after", resolved_by) VALUES(4,'wx00000000000000c1','wx0000000000000002','approve_release','wxa_release','manual__2','approve_release',-1,1,'lin',1795659343.415,NULL,'{}',1795659343.415,0,NULL,NULL,'{"outcome": "approved", "by": "wang", "appid": "wx0000000000000002"}',NULL);
CREATE TABLE wxa_outcome (
	dag_id VARCHAR(250) NOT NULL, 
	run_id VARCHAR(250) NOT NULL, 
	appid VARCHAR(32) NOT NULL, 
	component_appid VARCHAR(32) NOT NULL, 
	task_id VARCHAR(250) NOT NULL, 
	at FLOAT NOT NULL, 
	said JSON NOT NULL, 
	PRIMARY KEY (dag_id, run_id, appid)
);
INSERT INTO wxa_outcome (dag_id, run_id, appid, component_appid, task_id, at, said) VALUES('wxa_release','manual__1','wx0000000000000001','wx00000000000000c1','submit_audit',1795659343.403,'{"outcome": "submitted", "appid": "wx0000000000000001", "auditid": "1234567"}');
INSERT INTO wxa_outcome (dag_id, run_id, appid, component_appid, task_id, at, said) VALUES('wxa_release','manual__2','wx0000000000000002','wx00000000000000c1','approve_release',1795659343.415,'{"outcome": "approved", "by": "wang", "appid": "wx0000000000000002"}');
CREATE TABLE wxa_push (
	component_appid VARCHAR(32) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	account VARCHAR(64) NOT NULL, 
	create_time INTEGER NOT NULL, 
	received_at FLOAT NOT NULL, 
	told JSON, 
	PRIMARY KEY (component_appid, kind, account, create_time)
);
INSERT INTO wxa_push (component_appid, kind, account, create_time, received_at, told) VALUES('wx00000000000000c1','weapp_audit_success','gh_1',1795000000,1795659343.360,'{"SuccTime": "1795000000"}');
CREATE INDEX ix_wxa_ledger_run_id ON wxa_ledger (run_id);
CREATE INDEX ix_wxa_ledger_appid ON wxa_ledger (appid);
CREATE INDEX ix_wxa_ledger_sent_at ON wxa_ledger (sent_at);
