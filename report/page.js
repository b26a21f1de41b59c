// SPDX-License-Identifier: MIT
// The report, from its data; refrain(1), THE REPORT, says what each figure is.

const report = JSON.parse(document.getElementById('data').textContent);

const lost = o => o.failed + o.dropped_queue + o.abandoned;
const offered = o => o.delivered + lost(o) + o.under_way;
const targetOf = o => o.name.replace(/^output-http /, '');
const isReplay = o => o.series !== undefined;

// --- the verdict ---

function verdict() {
    const replays = report.outputs.filter(o => isReplay(o) && /^output-http /.test(o.name));
    const of = replays.length > 0 ? replays : report.outputs.filter(o => !/^(middleware|compare)/.test(o.name));
    const all = sum(of.map(offered)), missing = sum(of.map(lost)), done = sum(of.map(o => o.delivered));
    const errors = sum(replays.map(o => o.http_5xx));
    const broken = report.assertions.filter(a => !a.holds);
    const word = replays.length > 0 ? 'answered' : 'delivered';
    const figures = [number(done) + ' of ' + many(all, replays.length > 0 ? 'request' : 'message') + ' ' + word,
        missing > 0 && many(missing, 'request') + ' failed or lost',
        errors > 0 && many(errors, 'answer') + ' with a server error (5xx)',
        report.comparison && report.comparison.different > 0 &&
            many(report.comparison.different, 'answer') + ' unlike ' + (report.comparison.against ===
                'recorded' ? 'the recorded one' : 'the baseline')]
        .filter(Boolean).join(', ') + '.';
    const say = (kind, title) => ({kind, title, figures});
    if (!report.balanced)
        return say('bad', 'The books do not balance: the figures cannot be trusted');
    if (report.run.exit_status === 5)
        return say('bad', 'Failed: ' + many(broken.length, '--fail-on condition came true',
            '--fail-on conditions came true'));
    if (report.run.exit_status === 4)
        return say('bad', 'Failed: more was lost than --max-loss allows');
    if (report.run.exit_status === 6)
        return say('bad', 'Failed: not everything could be delivered before --drain-timeout');
    if (report.run.exit_status !== 0)
        return say('bad', 'Failed: ' + (report.run.error || 'exit status ' + report.run.exit_status));
    if (all === 0)
        return say('warn', 'There was nothing to replay');
    if (report.assertions.length > 0)
        return say('good', 'Passed: ' + (report.assertions.length === 1 ? 'the --fail-on condition' :
            'all ' + report.assertions.length + ' --fail-on conditions') + ' stayed clear');
    if (missing > 0)
        return say('warn', 'Finished, and ' + share(missing, all) + ' of the requests failed');
    if (errors > 0)
        return say('warn', 'Finished, and ' + share(errors, done) + ' of the answers are server errors');
    if (report.comparison && report.comparison.different > 0)
        return say('warn', 'Finished, and ' + share(report.comparison.different,
            report.comparison.pairs) + ' of the answers differ');
    return say('good', replays.length > 0 ? 'Every request was answered' :
        'Every message was delivered');
}

function top() {
    const v = verdict(), start = new Date(report.run.start);
    const when = isNaN(start) ? '' : start.toLocaleString('en-GB', {dateStyle: 'medium',
        timeStyle: 'short', timeZone: 'UTC'}) + ' UTC';
    document.title = 'refrain: ' + v.title;
    return [el('header', {}, el('h1', {}, 'refrain replay report'),
        el('p', {class: 'dim small'}, [when, 'took ' + duration(report.run.duration_s),
            'refrain ' + report.version].filter(Boolean).join(' · '))),
    el('section', {class: 'card verdict ' + v.kind, id: 'verdict'}, el('strong', {}, v.title),
        el('p', {}, v.figures))];
}

function assertions() {
    const shown = a => a.value_s !== undefined ? duration(a.value_s) :
        a.count !== undefined ? number(a.count) + ' of ' + number(a.of) +
            ' (' + share(a.count, a.of) + ')' : 'no answers';
    const several = new Set(report.assertions.map(a => a.output)).size > 1;
    const columns = [{title: 'condition'}, several && {title: 'output'}, {title: 'found', n: true},
        {title: 'result', n: true}];
    const row = a => [el('code', {}, a.assertion), several && targetOf({name: a.output}), shown(a),
        el('span', {class: a.holds ? 'good-text' : 'bad-text'}, a.holds ? '✓ clear' : '✗ came true')];
    return report.assertions.length > 0 && [el('h2', {}, 'What must not happen'),
        el('section', {class: 'card', id: 'assertions'}, table(columns.filter(Boolean),
            report.assertions.map(a => row(a).filter(c => c !== false))))];
}

// --- a replay ---

function tiles(o) {
    const tile = (title, value, note) => el('div', {class: 'card tile'},
        el('span', {class: 'dim small'}, title), el('b', {}, value),
        el('span', {class: 'dim small'}, note));
    const missing = lost(o);
    return el('div', {class: 'tiles'},
        tile('answered', number(o.delivered), share(o.delivered, offered(o)) + ' of ' +
            number(offered(o))),
        tile('failed or lost', number(missing), share(missing, offered(o))),
        tile('server errors', number(o.http_5xx), share(o.http_5xx, o.delivered) + ' of answers'),
        o.rate_wanted > 0 && tile('rate', rate(o.rate_achieved),
            'wanted: ' + rate(o.rate_wanted)),
        o.latency_p50_s !== undefined && tile('latency, median', duration(o.latency_p50_s),
            '99 %: ' + duration(o.latency_p99_s)),
        o.lateness_p99_s !== undefined && tile('lateness, 99 %',
            duration(o.lateness_p99_s), 'at most ' + duration(o.lateness_max_s)));
}

// So many slots are one point of a chart, that noise does not hide what there is to see.
const POINTS = 60;

// The slots of an output in groups: {width, n, counts(name), rates(name), means(), longest()}. A last
// group that the end of the run cuts short goes to the one before, or its rate would mislead.
function slotsOf(o) {
    const s = o.series, size = Math.ceil(s.wanted.length / POINTS) || 1;
    const width = size * s.width_s;
    const groups = [], spans = [];
    for (let i = 0; i < s.wanted.length; i += size) {
        const rest = report.run.duration_s - s.start_s - i * s.width_s;
        const slots = s.wanted.slice(i, i + size).map((v, k) => i + k);
        if (i > 0 && rest < width / 2) {
            groups[groups.length - 1].push(...slots);
            spans[groups.length - 1] += Math.max(rest, 0);
        } else {
            groups.push(slots);
            spans.push(Math.max(Math.min(rest, width), 1e-3));
        }
    }
    const each = pick => groups.map(slots => pick(slots));
    const counts = name => each(slots => sum(slots.map(i => s[name][i])));
    const none = list => list.length === 0 ? null : list;
    const heard = slots => none(slots.filter(i => s.answered[i] > 0));
    return {width, n: groups.length, counts, rates: name => counts(name).map((v, i) => v / spans[i]),
        longest: () => each(slots => heard(slots) &&
            Math.max(...heard(slots).map(i => s.latency_max_s[i]))),
        means: () => each(slots => heard(slots) &&
            sum(heard(slots).map(i => s.latency_mean_s[i] * s.answered[i])) /
                sum(heard(slots).map(i => s.answered[i])))};
}

function overTime(o) {
    const slots = slotsOf(o), width = duration(slots.width);
    if (slots.n === 0)
        return [el('section', {class: 'card wide nothing'}, 'Nothing was sent.')];
    const errors = [['failed', 'no answer', 'red'], ['status_5xx', '5xx', 'orange'],
        ['status_4xx', '4xx', 'gold']].map(([key, name, color]) =>
        ({name, color, values: slots.counts(key)}));
    return [
        timeLines(slots, {title: 'Requests per second', class: 'wide', height: 240, format: rate,
            series: [
                {name: 'answered', color: 'blue', area: true, values: slots.rates('answered')},
                {name: 'sent', color: 'teal', values: slots.rates('sent')},
                {name: 'wanted', color: 'ink', dashed: true, values: slots.rates('wanted')}]}),
        errors.some(e => sum(e.values) > 0) ?
            timeBars(slots, {title: 'Errors, each ' + width, format: number, series: errors}) :
            el('section', {class: 'card'}, el('h3', {}, 'Errors'),
                el('div', {class: 'nothing'}, 'Not one: every request got an answer below 400.')),
        timeLines(slots, {title: 'Latency', log: true, format: duration, series: [
            {name: 'longest in ' + width, color: 'violet', values: slots.longest()},
            {name: 'mean', color: 'blue', values: slots.means()}]}),
    ];
}

function curves(o) {
    const found = [
        o.latency_curve && {name: 'latency', color: 'blue', curve: o.latency_curve},
        o.lateness_curve && {name: 'lateness', color: 'grey', dashed: true, curve: o.lateness_curve},
    ].filter(Boolean);
    return found.length > 0 && percentiles({title: 'Share of requests within a time', height: 250,
        class: 'wide', series: found, curves: found,
        note: 'Latency counts from the time when a request was due, so that a target that stalls ' +
            'cannot hide it; lateness is how long after that it was handed over.'});
}

const REASONS = {
    200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No Content', 206: 'Partial Content',
    301: 'Moved Permanently', 302: 'Found', 303: 'See Other', 304: 'Not Modified',
    307: 'Temporary Redirect', 308: 'Permanent Redirect', 400: 'Bad Request', 401: 'Unauthorized',
    403: 'Forbidden', 404: 'Not Found', 405: 'Method Not Allowed', 408: 'Request Timeout',
    409: 'Conflict', 410: 'Gone', 413: 'Content Too Large', 415: 'Unsupported Media Type',
    422: 'Unprocessable Content', 429: 'Too Many Requests', 500: 'Internal Server Error',
    501: 'Not Implemented', 502: 'Bad Gateway', 503: 'Service Unavailable', 504: 'Gateway Timeout',
};
const CLASS_COLORS = {1: 'grey', 2: 'green', 3: 'teal', 4: 'gold', 5: 'orange'};

function outcomes(o) {
    const codes = Object.entries(o.statuses).map(([code, count]) => ({count,
        name: el('span', {}, el('b', {}, code), el('span', {class: 'dim'},
            REASONS[code] ? ' ' + REASONS[code] : '')),
        color: CLASS_COLORS[code[0]] || 'grey'}));
    const errors = o.errors.map(e => ({name: e.text, count: e.count, color: 'red'}));
    return [
        el('section', {class: 'card', id: 'statuses'}, el('h3', {}, 'Status codes'), codes.length ?
            bars(codes, sum(codes.map(c => c.count))) :
            el('div', {class: 'nothing'}, 'There was no answer.')),
        el('section', {class: 'card', id: 'errors'}, el('h3', {}, 'Requests without an answer'),
            errors.length ? bars(errors, sum(errors.map(e => e.count))) :
                el('div', {class: 'nothing'}, 'None.'))];
}

function routes(o) {
    const count = (title, key) => ({title, n: true, value: r => r[key],
        show: r => r[key] > 0 ? number(r[key]) : el('span', {class: 'dim'}, '0')});
    const time = (title, key) => ({title, n: true, value: r => r[key], show: r => duration(r[key])});
    const columns = [
        {title: 'route', class: 'path', value: r => r.path === null ? '~' : r.path + ' ' + r.method,
            show: r => r.path === null ? el('i', {}, 'all others') :
                [el('b', {class: 'small'}, r.method), ' ', el('code', {}, r.path)]},
        count('requests', 'requests'), count('failed', 'failed'), count('2xx', '2xx'),
        count('3xx', '3xx'), count('4xx', '4xx'), count('5xx', '5xx'),
        time('p50', 'latency_p50_s'), time('p95', 'latency_p95_s'), time('p99', 'latency_p99_s'),
        time('max', 'latency_max_s')];
    return o.routes.length > 0 && el('section', {class: 'card wide', id: 'routes'},
        el('h3', {}, 'Routes'),
        el('p', {class: 'dim small'}, 'Numbers and ids in paths are folded, queries left out. ' +
            'A click on a heading sorts.'),
        sortable(columns, o.routes, 1, 20));
}

function replay(o) {
    return [el('h2', {}, targetOf(o)), tiles(o), el('div', {class: 'cards'}, overTime(o), curves(o),
        outcomes(o), routes(o))];
}

// --- the books ---

function books(accounts, kind) {
    return accounts.map(a => {
        const rows = Object.entries(a).filter(([key, n]) =>
            typeof n === 'number' && n > 0 && report.counters[key])
            .map(([key, n]) => [el('code', {}, key), report.counters[key], number(n)]);
        return el('details', {}, el('summary', {}, a.name, ' ', el('span', {class: 'dim'}, kind)),
            rows.length > 0 ? table([{}, {}, {n: true}], rows) :
                el('p', {class: 'dim'}, 'Nothing was counted.'));
    });
}

function ledger() {
    const quote = word => /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replace(/'/g, "'\\''") + "'";
    return [el('h2', {}, 'The books'),
        el('section', {class: 'card', id: 'books'},
            el('p', {class: report.balanced ? '' : 'bad-text'}, report.balanced ?
                'Every message is accounted for.' : 'They do not balance. This is a bug of refrain.'),
            books(report.inputs, 'input'), books(report.outputs, 'output'),
            el('details', {open: ''}, el('summary', {}, 'Command'),
                el('pre', {id: 'command'}, report.run.command.map(quote).join(' '))))];
}

document.getElementById('page').replaceChildren(...[top(), assertions(),
    report.comparison && comparison(report.comparison),
    report.outputs.filter(isReplay).map(replay),
    ledger()].flat(3).filter(Boolean));
window.addEventListener('beforeprint', () =>
    document.querySelectorAll('details').forEach(d => { d.open = true; }));
