"""``solver="bayes"``: predictions to trust, without anything to tune; the default of ``fit``.

The model is r̂ = μ + b_u + b_i + p_u·q_i, fitted by variational Bayes: every parameter has a distribution, whose mean
goes into the cells and whose spread gives each prediction an interval.

::

    ratings ─► observations ─► filled ─► variational ⇄ growth ─► solver ─► factors, intervals
               both orders     features   sweeps       how many             means, spread
                               of which   (evidence    factors, by
                               cells are   rises)      leave_one_out

Literature, each used where the module says so: Salakhutdinov & Mnih, Bayesian probabilistic matrix factorization using
MCMC, ICML 2008. Lim & Teh, Variational Bayesian approach to movie rating prediction, KDD Cup 2007. Koren, Factorization
meets the neighborhood, KDD 2008. Lakshminarayanan, Bouchard & Archambeau, Robust Bayesian matrix factorisation, AISTATS
2011. Simm et al., Macau: scalable Bayesian multi-relational factorization with side information, 2015. Rendle, Zhang &
Koren, On the difficulty of evaluating baselines, 2019.
"""

from xlcollab.solvers.bayes.solver import BayesSolver

__all__ = ["BayesSolver"]
