// Drives the stand-in with jsforce, and prints what it observed as JSON: node client.mjs URL ASSERTION
import jsforce from "@jsforce/jsforce-node";

const [url, assertion, badAssertion] = process.argv.slice(2);
const seen = {};
const failure = (error) => ({ name: error.name, code: error.errorCode, message: error.message, data: error.data });
const refused = (promise) => promise.then((value) => ({ unexpected: value }), failure);

const connection = new jsforce.Connection({ loginUrl: url, version: "67.0" });
connection.sobject("Contact"); // needs no request
const grant = { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer" };
seen.badAssertion = await refused(connection.authorize({ ...grant, assertion: badAssertion }));
await connection.authorize({ ...grant, assertion });
seen.instanceUrl = connection.instanceUrl;

const contacts = connection.sobject("Contact");
const created = await contacts.create({ FirstName: "Noor", LastName: "Haddad", Email: "noor@example.com" });
seen.created = created.success && created.id.length === 18;
seen.retrieved = (await contacts.retrieve(created.id)).Name;
const key = "SwitchboardVisitorId__c";
seen.upserted = (await contacts.upsert({ LastName: "Park", [key]: "vis_1" }, key)).created;
seen.upsertedAgain = (await contacts.upsert({ LastName: "Park-Lee", [key]: "vis_1" }, key)).created;
await contacts.update({ Id: created.id, Phone: "+49 1" });
seen.found = (await contacts.find({ Email: "noor@example.com" }, ["Id", "Phone"]))[0].Phone;
seen.count = await contacts.count();
const query = await connection.query(`SELECT Id, LastName FROM Contact WHERE ${key} = 'vis_1'`);
seen.queried = [query.totalSize, query.done, query.records[0].LastName];
seen.described = (await contacts.describe()).fields.find((field) => field.name === key).externalId;
seen.malformed = await refused(connection.query("SELECT Id FROM Contact WHERE"));
seen.unknownField = await refused(contacts.create({ LastName: "A", Nickname__c: "B" }));
seen.missing = await refused(contacts.create({ FirstName: "A" }));

const aCase = await connection.sobject("Case").create({ Subject: "Parcel", ContactId: created.id });
const graph = {
  graphs: [{
    graphId: "close",
    compositeRequest: [
      { method: "PATCH", url: `/services/data/v67.0/sobjects/Case/${aCase.id}`, referenceId: "a", body: { Status: "Closed" } },
      { method: "POST", url: "/services/data/v67.0/sobjects/CaseComment", referenceId: "b", body: { ParentId: aCase.id, CommentBody: "x".repeat(4001) } },
    ],
  }],
};
const answer = await connection.requestPost("/composite/graph", graph);
seen.graph = answer.graphs[0].graphResponse.compositeResponse.map((one) => [one.httpStatusCode, one.body[0].errorCode]);
seen.rolledBack = (await connection.sobject("Case").retrieve(aCase.id)).Status;
await contacts.destroy(created.id);
seen.destroyed = await refused(contacts.retrieve(created.id));
process.stdout.write(JSON.stringify(seen));
