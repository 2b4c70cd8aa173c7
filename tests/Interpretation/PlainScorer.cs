using System.Text;
using Conformance.Cases;
using Dnabert2;
using Dnabert2.Interpretation;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Interpretation;

/// <summary>What a model says of one sequence at a time, in plain loops: the reference for all that is batched and shared.</summary>
internal sealed class PlainScorer(SequenceModel model)
{
    /// <summary>A token and the bases it stands for.</summary>
    internal readonly record struct Token(int Id, int Start, int End);

    public List<Token> Tokens(string bases)
    {
        List<int> ids = [], starts = [];
        model.Tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(bases), ids, starts);
        int overlap = model.Tokenizer.Overlap;
        return [.. ids.Select((id, i) => new Token(id, starts[i], i + 1 < starts.Count ? starts[i + 1] + overlap : bases.Length))];
    }

    /// <summary>The classifier's logits of a sequence cut to so many tokens.</summary>
    public double[] Logits(string bases, int maxTokens = int.MaxValue) =>
        Run(Ids(bases, maxTokens), (tape, batch) => model.Classify(tape, batch))[0];

    /// <summary>The mean of the token vectors.</summary>
    public double[] Mean(string bases, int maxTokens = int.MaxValue)
    {
        double[][] rows = Run(Ids(bases, maxTokens), (tape, batch) => model.Encode(tape, batch));
        return [.. Enumerable.Range(0, rows[0].Length).Select(c => rows.Average(row => row[c]))];
    }

    /// <summary>
    /// The log-likelihoods of both sequences over the tokens that differ, by coordinates: tokens that end before the first base from which
    /// they differ, or begin behind the last one, are the same in both. Of tokens that overlap, the mean over those that hold one base.
    /// Of a causal model, those over all tokens but the first.
    /// </summary>
    public (double Reference, double Alternative) LogLikelihoods(string reference, string alternative)
    {
        if (model.Parts.HasFlag(ModelParts.CausalHead)) return (OfWhole(reference), OfWhole(alternative));
        (List<Token> a, List<Token> b, int before, int after) = Stretch(reference, alternative);
        int ofABase = Math.Clamp(Math.Max(a.Count, b.Count) - before - after, 1, model.Tokenizer.Overlap + 1);
        return (Masked(a, a, before, after) / ofABase, Masked(a, b, before, after) / ofABase);
    }

    /// <summary>
    /// The same divided by the bases that the tokens stand for; of tokens that overlap, the mean over the tokens, each of which says one
    /// base more.
    /// </summary>
    public (double Reference, double Alternative) LogLikelihoodsPerBase(string reference, string alternative)
    {
        if (model.Parts.HasFlag(ModelParts.CausalHead))
            return (OfWhole(reference) / (reference.Length - Tokens(reference)[0].End),
                OfWhole(alternative) / (alternative.Length - Tokens(alternative)[0].End));
        (List<Token> a, List<Token> b, int before, int after) = Stretch(reference, alternative);
        return (Masked(a, a, before, after) / Bases(a), Masked(a, b, before, after) / Bases(b));

        double Bases(List<Token> tokens) => model.Tokenizer.Overlap > 0 ? tokens.Count - before - after
            : tokens.Skip(before).SkipLast(after).Sum(token => token.End - token.Start);
    }

    /// <summary>
    /// Σ ln p of each token with it masked and all others in sight, and the bases of these; of tokens that overlap, for each base the mean
    /// over the tokens that hold it, all of them masked. Of unknown bases nothing is said.
    /// </summary>
    public (double Sum, int Bases) PseudoLogLikelihood(string bases)
    {
        List<Token> tokens = Tokens(bases);
        var hidden = new List<(int[] Places, int Bases)>();
        if (model.Tokenizer.Overlap == 0) hidden.AddRange(tokens.Select((t, i) => (new[] { i }, t.End - t.Start)));
        else
            hidden.AddRange(Enumerable.Range(0, bases.Length).Select(b =>
                (Enumerable.Range(0, tokens.Count).Where(i => tokens[i].Start <= b && b < tokens[i].End).ToArray(), 1)));
        (double sum, int counted) = (0, 0);
        foreach ((int[] places, int ofBases) in hidden)
        {
            int[] known = [.. places.Where(i => !model.Tokenizer.IsSpecial(tokens[i].Id))];
            if (known.Length == 0) continue;
            counted += ofBases;
            int[] ids =
            [
                .. model.Frame.Before.Span, .. tokens.Select((t, i) => places.Contains(i) ? model.Tokenizer.MaskId!.Value : t.Id),
                .. model.Frame.After.Span,
            ];
            double[][] logits = Run(ids, (tape, batch) => model.PredictTokens(tape, model.Encode(tape, batch)));
            sum += known.Average(i => LogProbability(logits[model.Frame.Before.Length + i], tokens[i].Id));
        }

        return (sum, counted);
    }

    private static double LogProbability(double[] logits, int id)
    {
        double highest = logits.Max();
        return logits[id] - highest - Math.Log(logits.Sum(z => Math.Exp(z - highest)));
    }

    /// <summary>
    /// Where the tokens of two sequences differ, by coordinates. Of tokens that overlap, hidden are those that hold a base that differs,
    /// and those across the place where bases are inserted or deleted; those at the ends of equally long sequences that have an unknown
    /// base, and so are the same, stay in sight.
    /// </summary>
    private (List<Token> Reference, List<Token> Alternative, int Before, int After) Stretch(string reference, string alternative)
    {
        List<Token> a = Tokens(reference), b = Tokens(alternative);
        if (model.Tokenizer.Overlap > 0)
        {
            int least = Math.Min(reference.Length, alternative.Length), at = 0, rest = 0;
            while (at < least && reference[at] == alternative[at]) at++;
            while (rest < least - at && reference[^(rest + 1)] == alternative[^(rest + 1)]) rest++;
            int first = a.TakeWhile(t => t.End <= at).Count(), last = a.Count(t => t.Start >= reference.Length - rest);
            while (reference.Length == alternative.Length && first < a.Count - last && a[first].Id == b[first].Id) first++;
            while (reference.Length == alternative.Length && first < a.Count - last && a[^(last + 1)].Id == b[^(last + 1)].Id) last++;
            return (a, b, first, last);
        }

        int shift = alternative.Length - reference.Length, before = 0, after = 0, fewest = Math.Min(a.Count, b.Count);
        while (before < fewest && a[before] == b[before]) before++;
        while (after < fewest - before && Shifted(a[a.Count - 1 - after]) == b[b.Count - 1 - after]) after++;
        if (a.Count - before - after == 0 || b.Count - before - after == 0) _ = before > 0 ? before-- : after--;
        return (a, b, before, after);

        Token Shifted(Token t) => new(t.Id, t.Start + shift, t.End + shift);
    }

    /// <summary>ln p of the differing tokens of one sequence, where masks stand for all of them, between the same neighbours.</summary>
    private double Masked(List<Token> reference, List<Token> tokens, int before, int after)
    {
        int masks = tokens.Count - before - after;
        if (masks == 0) return 0;
        int[] ids =
        [
            .. model.Frame.Before.Span, .. reference.Take(before).Select(t => t.Id),
            .. Enumerable.Repeat(model.Tokenizer.MaskId!.Value, masks),
            .. reference.TakeLast(after).Select(t => t.Id), .. model.Frame.After.Span,
        ];
        double[][] logits = Run(ids, (tape, batch) => model.PredictTokens(tape, model.Encode(tape, batch)));
        return Enumerable.Range(0, masks).Sum(i => LogProbability(logits[model.Frame.Before.Length + before + i], tokens[before + i].Id));
    }

    /// <summary>Of a causal model: Σ ln p of each token after those before it.</summary>
    private double OfWhole(string bases)
    {
        int[] ids = Ids(bases, int.MaxValue);
        double[][] logits = Run(ids, (tape, batch) => model.PredictTargets(tape, model.Encode(tape, batch)));
        return Enumerable.Range(1, Tokens(bases).Count - 1).Sum(i => LogProbability(logits[i - 1], ids[i]));
    }

    private int[] Ids(string bases, int maxTokens) =>
        [
            .. model.Frame.Before.Span,
            .. Tokens(bases).Select(t => t.Id).Take(maxTokens - model.Frame.Before.Length - model.Frame.After.Length),
            .. model.Frame.After.Span,
        ];

    private double[][] Run(int[] ids, Func<Tape, Batch, Variable> pass)
    {
        using var arena = new Arena(model.Backend);
        Tape tape = Tape.ForInference(arena);
        var batch = new Batch(arena, ids, [ids.Length]);
        Tensor y = pass(tape, batch).Data;
        float[] values = new float[y.Count];
        model.Backend.Download(y, values);
        return [.. values.Chunk(y.Shape[1]).Select(row => row.Select(v => (double)v).ToArray())];
    }
}
