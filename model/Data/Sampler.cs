using Dnabert2.Training;
using Engine.Kernels;

namespace Dnabert2.Data;

/// <summary>A window drawn for training.</summary>
/// <param name="Species">The number of its species.</param>
/// <param name="Window">Its number among the training windows of the species.</param>
internal readonly record struct Sample(int Species, long Window);

/// <summary>
/// Which window is sample n of a run: a pure function of seed and n, so that a resumed run needs no state but the number of samples
/// taken. Species follow a shuffled pattern of <see cref="Period"/> places in which each has its weight; the windows of a species come
/// without replacement, in a new order in every epoch of the species.
/// </summary>
internal sealed class Sampler
{
    /// <summary>Samples after which the pattern of species repeats; weights are rounded to one part in this.</summary>
    public const int Period = 1 << 18;

    private const uint PatternSite = 0x4D495854, OrderSite = 0x4F524452;
    private readonly ulong _seed;
    private readonly ushort[] _species = new ushort[Period];
    private readonly int[] _ranks = new int[Period];
    private readonly int[] _quotas;
    private readonly long[] _windows;

    /// <summary>A sampler of the training windows.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="options">Seed and weights.</param>
    /// <exception cref="ArgumentException">The weights do not fit the corpus.</exception>
    public Sampler(Corpus corpus, PretrainOptions options)
        : this([.. corpus.Species.Select(s => s.Training.Windows)], Weights(corpus, options), options.Seed)
    {
    }

    internal Sampler(long[] windows, double[] weights, ulong seed)
    {
        (_windows, _seed, _quotas) = (windows, seed, Quotas(weights));
        int[] ends = new int[weights.Length], counts = new int[weights.Length];
        for (int s = 0, end = 0; s < ends.Length; s++) ends[s] = end += _quotas[s];
        var shuffle = new Permutation(seed, 0, PatternSite, Period);
        for (int i = 0; i < Period; i++)
        {
            long place = shuffle.At(i);
            // The first species whose places end after this one: those without any are passed over.
            int s = Array.BinarySearch(ends, (int)place);
            s = s < 0 ? ~s : s + 1;
            while (ends[s] <= place) s++;
            _species[i] = (ushort)s;
            _ranks[i] = counts[s]++;
        }
    }

    /// <summary>Sample number n, from 0.</summary>
    public Sample At(long number)
    {
        int place = (int)(number % Period), species = _species[place];
        long drawn = (number / Period * _quotas[species]) + _ranks[place], windows = _windows[species];
        var order = new Permutation(_seed + (ulong)species, (uint)(drawn / windows), OrderSite, windows);
        return new Sample(species, order.At(drawn % windows));
    }

    /// <summary>
    /// The weight of each species: as stated, or its training bases to the power of <see cref="PretrainOptions.SpeciesExponent"/>.
    /// </summary>
    internal static double[] Weights(Corpus corpus, PretrainOptions options)
    {
        var weights = new double[corpus.Species.Count];
        HashSet<string> names = [.. corpus.Species.Select(s => s.Name)];
        foreach (string name in options.SpeciesWeights.Keys)
            if (!names.Contains(name))
                throw new ArgumentException($"a weight is given for species '{Excerpt.Of(name)}', which the corpus does not have; " +
                    $"it has {Excerpt.Of(names)}");
        for (int s = 0; s < weights.Length; s++)
        {
            CorpusSpecies species = corpus.Species[s];
            long bases = species.Training.Bases;
            if (options.SpeciesWeights.Count == 0) weights[s] = bases == 0 ? 0 : Math.Pow(bases, options.SpeciesExponent);
            else if (!options.SpeciesWeights.TryGetValue(species.Name, out weights[s]))
                throw new ArgumentException($"species '{Excerpt.Of(species.Name)}' has no weight; give 0 to leave it out");
            else if (weights[s] > 0 && species.Training.Windows == 0)
                throw new ArgumentException($"species '{Excerpt.Of(species.Name)}' has weight {weights[s]} but no training window; give 0");
        }

        return weights.Any(w => w > 0) ? weights : throw new ArgumentException("the weights of all species are 0");
    }

    // By largest remainder; a species that has any weight has at least one place.
    private static int[] Quotas(double[] weights)
    {
        double total = weights.Sum();
        int[] quotas = [.. weights.Select(w => w > 0 ? Math.Max(1, (int)(w / total * Period)) : 0)];
        int[] byRemainder = [.. Enumerable.Range(0, weights.Length).Where(i => weights[i] > 0)
            .OrderByDescending(i => (weights[i] / total * Period) - quotas[i]).ThenBy(i => i)];
        int rest = Period - quotas.Sum();
        for (int i = 0; rest > 0; rest--, i = (i + 1) % byRemainder.Length) quotas[byRemainder[i]]++;
        // Too many rare ones that have a place each: whoever has most, the first of equals, gives one.
        var most = new PriorityQueue<int, (int, int)>(quotas.Select((quota, i) => (i, (-quota, i))));
        for (; rest < 0; rest++)
        {
            int i = most.Dequeue();
            most.Enqueue(i, (-(--quotas[i]), i));
        }

        return quotas;
    }
}
