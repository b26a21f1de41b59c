// SPDX-License-Identifier: MIT
// The comparison of answers; compare/comparison.h says what its figures are.

const KINDS = {changed: 'changed', type: 'another type', missing: 'missing', added: 'added'};

// Recorded statuses down, replayed ones across; what changed stands out.
function statusMatrix(c) {
    const codes = key => [...new Set(c.statuses.map(s => s[key]))].sort((a, b) => a - b);
    const count = (from, to) => c.statuses.find(s => s.recorded === from && s.replayed === to)?.count;
    const across = codes('replayed');
    return el('section', {class: 'card', id: 'matrix'}, el('h3', {}, 'Status codes'),
        el('p', {class: 'dim small'}, `Rows: ${c.against}; columns: replayed.`),
        el('div', {class: 'scroll'}, table([{title: ''}, ...across.map(s => ({title: s, n: true}))],
            codes('recorded').map(from => [el('b', {}, from), ...across.map(to => {
                const n = count(from, to);
                return n ? el('span', {class: from === to ? '' : 'bad-text'}, number(n)) : '';
            })]))),
        c.statuses_others > 0 && el('p', {class: 'dim small'},
            'And ' + many(c.statuses_others, 'pair') + ' with other codes.'));
}

function latencies(c) {
    const {recorded, replayed} = c.latency;
    const rows = [['half within', 'p50_s'], ['90 % within', 'p90_s'], ['95 % within', 'p95_s'],
        ['99 % within', 'p99_s'], ['99.9 % within', 'p99.9_s'], ['longest', 'max_s']];
    const change = key => {
        const factor = replayed[key] / recorded[key];
        return factor > 0 && isFinite(factor) ? '× ' + Number(factor.toPrecision(3)) : '–';
    };
    return el('section', {class: 'card', id: 'latencies'}, el('h3', {}, 'Time to the first byte'),
        recorded.count > 0 && replayed.count > 0 ?
            table([{title: ''}, {title: c.against, n: true}, {title: 'replayed', n: true},
                {title: 'change', n: true}],
            rows.map(([name, key]) => [name, duration(recorded[key]), duration(replayed[key]),
                change(key)])) :
            el('div', {class: 'nothing'}, 'The recording does not tell it.'));
}

function example(l) {
    return l.example && el('details', {}, el('summary', {}, el('code', {}, l.example.request)),
        table([{}, {class: 'path'}], [
            ['recorded', el('code', {}, l.example.recorded)],
            ['replayed', el('code', {}, l.example.replayed)],
            ['id', el('code', {class: 'dim'}, l.example.id)]]));
}

function locations(title, note, list) {
    return list.length > 0 && el('section', {class: 'card wide'}, el('h3', {}, title),
        el('p', {class: 'dim small'}, note),
        el('div', {class: 'scroll'}, table(
            [{title: 'where', class: 'path'}, {title: 'how'}, {title: 'answers', n: true},
                {title: 'share', n: true}, {title: 'example', class: 'path'}],
            list.map(l => [el('code', {}, l.location), KINDS[l.kind] || l.kind, number(l.count),
                percent(l.share), example(l)]))));
}

function comparison(c) {
    const tile = (title, n) => el('div', {class: 'card tile'},
        el('span', {class: 'dim small'}, title), el('b', {}, number(n)),
        el('span', {class: 'dim small'}, share(n, c.pairs)));
    const rest = [[c.recorded_without_answer, 'recorded response without an answer',
        'recorded responses without an answer'],
    [c.answer_without_recorded, 'answer without a recorded response',
        'answers without a recorded response'],
    [c.cut, 'answer compared only as far as it was kept',
        'answers compared only as far as they were kept']]
        .filter(([n]) => n > 0).map(([n, one, more]) => many(n, one, more));
    return [el('h2', {}, c.against === 'recorded' ? 'Compared with what was recorded' :
        'Compared with the baseline'),
    el('div', {class: 'tiles', id: 'comparison'}, el('div', {class: 'card tile'},
        el('span', {class: 'dim small'}, 'answers compared'), el('b', {}, number(c.pairs))),
    tile('equal', c.equal), c.only_noise > 0 && tile('equal but for noise', c.only_noise),
    tile('different', c.different), tile('another status', c.status_changes)),
    rest.length > 0 && el('p', {class: 'dim small'}, 'Beside these: ' + rest.join(', ') + '.'),
    el('div', {class: 'cards'}, statusMatrix(c), latencies(c),
        locations('Where answers differ', 'A location counts once for each answer.',
            c.locations.filter(l => !l.noise)),
        locations('Noise', 'What also differs between two answers that should be equal.',
            c.locations.filter(l => l.noise)))];
}
