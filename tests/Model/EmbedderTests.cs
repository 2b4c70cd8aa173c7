using System.Text;
using CommunityToolkit.HighPerformance;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Sequences;
using Dnabert2.Tokenizers;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Model;

public sealed class EmbedderTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(2);
    private readonly Dnabert2Model _model;

    public EmbedderTests()
    {
        var config = new Dnabert2Config
        {
            VocabSize = 60,
            HiddenSize = 24,
            NumHiddenLayers = 2,
            NumAttentionHeads = 3,
            IntermediateSize = 20,
            InitializerRange = 0.3f,
        };
        _model = Dnabert2Model.Initialize(config, Tokenizer(60), seed: 3, _backend, ModelParts.Encoder);
    }

    public void Dispose()
    {
        _model.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void A_sequence_gets_the_same_vector_alone_and_in_any_batch()
    {
        string[] sequences = [.. Enumerable.Range(1, 40).Select(i => Dna(i, 10 + (i * 7)))];
        ReadOnlySpan2D<float> together = new Embedder(_model, new EmbedOptions { BatchTokens = 10_000 }).Embed(sequences).Span;
        foreach (int budget in (int[])[1, 50, 333])
        {
            ReadOnlySpan2D<float> split = new Embedder(_model, new EmbedOptions { BatchTokens = budget }).Embed(sequences).Span;
            for (int i = 0; i < sequences.Length; i++)
                for (int c = 0; c < 24; c++) Assert.Equal(together[i, c], split[i, c], 2e-6f);
        }
    }

    [Fact]
    public void Several_threads_may_use_one_embedder()
    {
        var embedder = new Embedder(_model);
        string[] sequences = [.. Enumerable.Range(1, 12).Select(i => Dna(i, 60 * i))];
        float[,] expected = embedder.Embed(sequences).ToArray();
        Parallel.For(0, 8, _ => Assert.Equal(expected, embedder.Embed(sequences).ToArray()));
    }

    [Fact]
    public void Results_come_in_input_order_with_the_records_facts()
    {
        string fasta = string.Concat(Enumerable.Range(1, 50).Select(i => $">r{i} x\n{Dna(i, i % 5 == 0 ? 3000 : 20)}\n"));
        var options = new EmbedOptions { MaxTokens = 64, Overlap = 10, BatchTokens = 200 };
        SequenceEmbedding[] all = [.. new Embedder(_model, options).Embed(Records(fasta))];
        Assert.Equal(Enumerable.Range(1, 50).Select(i => $"r{i}"), all.Select(e => e.Id));
        Assert.All(all, e => Assert.Equal(e.Number % 5 == 0, e.Chunks > 1));
        Assert.All(all, e => Assert.Equal(e.Number % 5 == 0 ? 3000 : 20, e.Bases));
        Assert.All(all, e => Assert.False(e.Truncated));
    }

    [Theory]
    [InlineData(Pooling.Mean)]
    [InlineData(Pooling.Cls)]
    [InlineData(Pooling.Max)]
    public void A_chunked_record_is_pooled_over_its_chunks_by_their_tokens(Pooling pooling)
    {
        string dna = Dna(9, 1500);
        var ids = new List<int>();
        _model.Tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(dna), ids);
        const int Room = 62, Step = 52;
        var expected = new double[24];
        double weight = 0;
        for (int start = 0; ; start += Step)
        {
            bool last = start + Room >= ids.Count;
            float[] chunk = Pool(ids.GetRange(last ? ids.Count - Room : start, Room), pooling);
            for (int c = 0; c < 24; c++)
                expected[c] = pooling == Pooling.Max
                    ? (weight == 0 ? chunk[c] : Math.Max(expected[c], chunk[c])) : expected[c] + ((Room + 2) * chunk[c]);
            weight += Room + 2;
            if (last) break;
        }

        ReadOnlySpan2D<float> actual = new Embedder(_model, new EmbedOptions { MaxTokens = 64, Overlap = 10, Pooling = pooling })
            .Embed([dna]).Span;
        for (int c = 0; c < 24; c++) Assert.Equal(pooling == Pooling.Max ? expected[c] : expected[c] / weight, actual[0, c], 1e-5);
    }

    [Fact]
    public void Truncation_is_reported_and_too_long_is_an_error_that_names_the_record()
    {
        string fasta = $">short\nACGT\n>long\n{Dna(1, 900)}\n";
        SequenceEmbedding[] cut =
            [.. new Embedder(_model, new EmbedOptions { MaxTokens = 32, Overlap = 4, OnTooLong = TooLong.Truncate }).Embed(Records(fasta))];
        Assert.Equal([false, true], cut.Select(e => e.Truncated));
        Assert.Equal(30, cut[1].Tokens);
        InvalidDataException error = Assert.Throws<InvalidDataException>(() =>
            new Embedder(_model, new EmbedOptions { MaxTokens = 32, Overlap = 4, OnTooLong = TooLong.Error })
                .Embed(Records(fasta)).Count());
        Assert.Contains("record 2 'long'", error.Message, StringComparison.Ordinal);
        Assert.Contains("raise MaxTokens", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_bases_split_a_record_and_a_record_of_nothing_else_is_an_error()
    {
        SequenceEmbedding split = new Embedder(_model).Embed(Records(">a\nACGTACGTNNNNNNACGTTTT\n")).Single();
        Assert.Equal(2, split.Chunks);
        InvalidDataException error =
            Assert.Throws<InvalidDataException>(() => new Embedder(_model).Embed(Records(">only\nNNNN\n")).Count());
        Assert.Contains("'only'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_reverse_complement_has_the_same_averaged_vector()
    {
        const string Forward = "ACGGTTTACCAGATTTACAGGGATCCCATATTG";
        string reverse = new([.. Forward.Reverse().Select(b => b switch { 'A' => 'T', 'C' => 'G', 'G' => 'C', _ => 'A' })]);
        ReadOnlySpan2D<float> vectors = new Embedder(_model, new EmbedOptions { AverageReverseComplement = true })
            .Embed([Forward, reverse]).Span;
        ReadOnlySpan2D<float> single = new Embedder(_model).Embed([Forward, reverse]).Span;
        for (int c = 0; c < 24; c++) Assert.Equal(vectors[0, c], vectors[1, c], 1e-5f);
        Assert.NotEqual(single[0, 0], single[1, 0], 1e-3f);
    }

    [Fact]
    public void Token_vectors_cover_every_base_once_in_order()
    {
        string dna = Dna(4, 2000) + "NNNNN" + Dna(5, 300);
        var options = new EmbedOptions { MaxTokens = 40, Overlap = 8, BatchTokens = 100 };
        int next = 0, tokens = 0;
        foreach (TokenEmbeddings piece in new Embedder(_model, options).EmbedTokens(Records($">a\n{dna}\n")))
        {
            Assert.Equal((piece.Starts.Length, 24), (piece.Vectors.Height, piece.Vectors.Width));
            for (int i = 0; i < piece.Starts.Length; i++)
            {
                if (next == 2000) next = 2005;
                Assert.Equal(next, piece.Starts.Span[i]);
                next = piece.Ends.Span[i];
                Assert.Equal(_model.Tokenizer.Token(piece.Ids.Span[i]), dna[piece.Starts.Span[i]..next]);
                tokens++;
            }
        }

        Assert.Equal(dna.Length, next);
        Assert.True(tokens > 400);
    }

    [Fact]
    public void Token_vectors_of_a_short_record_are_those_of_the_encoder()
    {
        TokenEmbeddings piece = new Embedder(_model).EmbedTokens(Records(">a\nACGTTTGACCA\n")).Single();
        ReadOnlySpan2D<float> withSpecial = new Embedder(_model, new EmbedOptions { Pooling = Pooling.Max }).Embed(["ACGTTTGACCA"]).Span;
        for (int c = 0; c < 24; c++)
            for (int t = 0; t < piece.Starts.Length; t++) Assert.True(piece.Vectors.Span[t, c] <= withSpecial[0, c] + 1e-6f);
    }

    [Theory]
    [InlineData(2, 0, 10)]
    [InlineData(10, 8, 10)]
    [InlineData(10, -1, 10)]
    [InlineData(10, 2, 0)]
    public void Options_out_of_range_are_refused(int maxTokens, int overlap, int batch) =>
        Assert.Throws<ArgumentException>(() => new Embedder(_model, new EmbedOptions
        {
            MaxTokens = maxTokens,
            Overlap = overlap,
            BatchTokens = batch,
        }));

    [Theory]
    [InlineData("ACGT", "")]
    [InlineData("ACGT", "AC\nGT")]
    [InlineData("ACGT", "HELLO")]
    public void Strings_that_are_no_sequences_are_refused(params string[] sequences) =>
        Assert.Throws<InvalidDataException>(() => new Embedder(_model).Embed(sequences));

    [Fact]
    public void A_forward_pass_allocates_no_managed_memory_after_the_first()
    {
        using var batch = new ChunkBatch(_model, Pooling.Mean);
        float[] pooled = [];
        int[] tokens = [.. Enumerable.Range(0, 200).Select(i => 5 + (i % 50))];
        void Once()
        {
            batch.Add(tokens);
            batch.Add(tokens.AsSpan(0, 77));
            batch.Run(ref pooled);
            batch.Clear();
        }

        // Waiting for a lock allocates the first time that a thread has to, which other tests beside this one may bring about.
        long least = long.MaxValue;
        for (int round = 0; round < 4; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 5; i++) Once();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public void Embedding_leaves_no_storage_behind()
    {
        int before = _backend.LiveStorages;
        var embedder = new Embedder(_model, new EmbedOptions { BatchTokens = 64 });
        embedder.Embed([Dna(1, 3000), Dna(2, 10)]);
        foreach (SequenceEmbedding _ in embedder.Embed(Records($">a\n{Dna(1, 100)}\n>b\n{Dna(2, 4000)}\n"))) break;
        Assert.Throws<InvalidDataException>(() => embedder.Embed(["ACGT!"]));
        Assert.InRange(_backend.LiveStorages - before, 0, 1);
    }

    private static IEnumerable<SequenceRecord> Records(string fasta) =>
        SequenceReader.Read(new MemoryStream(Encoding.ASCII.GetBytes(fasta)), "test.fa");

    private static string Dna(int seed, int length)
    {
        var random = new Philox((ulong)seed, 0, 0);
        return string.Create(length, random, (span, r) =>
        {
            for (int i = 0; i < span.Length; i++) span[i] = "ACGT"[(int)(r.Word((ulong)i) & 3)];
        });
    }

    private static BpeTokenizer Tokenizer(int size)
    {
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = size });
        trainer.Add(Encoding.ASCII.GetBytes(Dna(100, 20_000)));
        return trainer.Train();
    }

    private float[] Pool(List<int> ids, Pooling pooling)
    {
        using var batch = new ChunkBatch(_model, pooling);
        batch.Add(ids.ToArray());
        float[] pooled = [];
        batch.Run(ref pooled);
        return pooled[..24];
    }
}
